import Foundation

/// The `in` half of a data ring as one reads it in docs/PROTOCOL.md 2.2: an array behind a lock. What the fast ring is
/// compared with.
final class SlowInRing {
    private let lock = NSLock()
    let size: Int
    var capacity: Int
    private(set) var content: [UInt8] = []
    private(set) var produced: Int
    private(set) var tokens = 0
    private(set) var endOfFile = false
    private(set) var isStalled = false

    init(size: Int, startingAt index: Int = 0) {
        self.size = size
        capacity = size
        produced = index
    }

    /// What a reader saw: the producer's word, and how far reading had come.
    struct View: Equatable {
        let produced: Int
        let tokens: Int
        let endOfFile: Bool
        let consumed: Int
        let content: [UInt8]
    }

    func view() -> View {
        lock.withLock {
            View(
                produced: produced, tokens: tokens, endOfFile: endOfFile, consumed: produced - content.count,
                content: content)
        }
    }

    /// - Returns: whether one token goes out.
    func publish(_ bytes: [UInt8], edge: Bool) -> Bool {
        lock.withLock {
            content += bytes
            produced += bytes.count
            guard tokens == 0 || (edge && tokens < 255) else { return false }
            tokens += 1
            return true
        }
    }

    /// - Returns: whether one token goes out.
    func publishEndOfFile() -> Bool {
        lock.withLock {
            endOfFile = true
            guard tokens == 0 else { return false }
            tokens = 1
            return true
        }
    }

    func stall() -> Bool {
        lock.withLock {
            if content.count >= capacity { isStalled = true }
            return content.count >= capacity
        }
    }

    /// - Returns: nil if another consumed since `view`; else whether the doorbell rings.
    func consume(_ view: View, _ count: Int) -> Bool? {
        lock.withLock {
            guard produced - content.count == view.consumed else { return nil }
            content.removeFirst(count)
            // The fast ring judges by what the reader saw, not by what was published since.
            let ring = isStalled && size - (view.content.count - count) >= size / 2
            if ring { isStalled = false }
            return ring
        }
    }

    func disarm(_ view: View) -> Bool {
        lock.withLock {
            guard produced == view.produced, tokens == view.tokens, endOfFile == view.endOfFile else { return false }
            tokens = 0
            return true
        }
    }
}
