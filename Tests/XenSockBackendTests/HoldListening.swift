import Dispatch

@testable import XenSockBackend

/// Lets a test do something while the service performs a LISTEN.
struct HoldListening: BackendPolicy {
    let entered = DispatchSemaphore(value: 0)
    let leave = DispatchSemaphore(value: 0)

    func decide(_ operation: PolicyOperation, credentials: PeerCredentials) -> Int32 {
        guard case .listen = operation else { return 0 }
        entered.signal()
        leave.wait()
        return 0
    }
}
