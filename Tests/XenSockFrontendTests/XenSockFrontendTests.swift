import Testing
@testable import XenSockFrontend
