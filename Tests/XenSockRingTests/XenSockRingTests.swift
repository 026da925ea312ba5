import Testing
@testable import XenSockRing
