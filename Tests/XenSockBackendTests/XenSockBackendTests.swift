import Testing
@testable import XenSockBackend
