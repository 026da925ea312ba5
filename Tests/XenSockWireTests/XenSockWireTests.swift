import Testing
@testable import XenSockWire
