import Foundation

/// A command ring as two queues behind a lock. An entry is free again when its response was taken.
final class SlowCommandRing {
    private let lock = NSLock()
    let count: Int
    private var requests: [UInt64] = []
    private var inService = 0
    private var unpublished: [UInt64] = []
    private var responses: [UInt64] = []
    private var taken = 0

    init(count: Int) { self.count = count }

    private var inFlight: Int { requests.count + inService + unpublished.count + responses.count }

    var isFull: Bool { lock.withLock { inFlight == count } }
    var owesAnswers: Bool { lock.withLock { inService > 0 } }

    func push(_ request: UInt64) { lock.withLock { requests.append(request) } }

    func takeRequest() -> UInt64? {
        lock.withLock {
            guard !requests.isEmpty else { return nil }
            inService += 1
            return requests.removeFirst()
        }
    }

    func pushResponse(_ response: UInt64) {
        lock.withLock {
            inService -= 1
            unpublished.append(response)
        }
    }

    func publishResponses() {
        lock.withLock {
            responses += unpublished
            unpublished = []
        }
    }

    func takeResponse() -> UInt64? { lock.withLock { responses.isEmpty ? nil : responses.removeFirst() } }
}
