import Foundation

/// The `out` half of a data ring with its filler, as one reads it in docs/PROTOCOL.md 2.2: an array and an enumeration
/// behind a lock.
final class SlowOutRing {
    /// Where the filler is that keeps the placeholder from polling writable.
    enum Filler {
        case none
        /// FPEND: announced, not sent.
        case pending
        /// OWE: the backend drained between the announcement and the sending.
        case owed
        /// FULL: it stands.
        case standing
    }

    enum Drain { case nothing, receiveFiller, owesFiller }
    enum Blocking { case full, sendFiller, lookAgain }

    private let lock = NSLock()
    let size: Int
    var capacity: Int
    private(set) var content: [UInt8] = []
    private(set) var consumed: Int
    private(set) var filler = Filler.none
    private(set) var isIdle = false
    private(set) var isConnected = false
    private(set) var isBroken = false

    init(size: Int, startingAt index: Int = 0) {
        self.size = size
        capacity = size
        consumed = index
    }

    struct View: Equatable {
        let produced: Int
        let consumed: Int
        let filler: Filler
        let isConnected: Bool
        let isBroken: Bool
    }

    private var state: View {
        View(
            produced: consumed + content.count, consumed: consumed, filler: filler, isConnected: isConnected,
            isBroken: isBroken)
    }

    func view() -> View { lock.withLock { state } }

    /// - Returns: nil if another published since `view`; else whether the doorbell rings.
    func publish(_ view: View, _ bytes: [UInt8]) -> Bool? {
        lock.withLock {
            guard consumed + content.count == view.produced else { return nil }
            content += bytes
            let ring = isIdle
            isIdle = false
            return ring
        }
    }

    func block(_ view: View) -> Blocking {
        lock.withLock {
            switch view.filler {
            case .standing: return .full
            case .pending: return .lookAgain
            case .none, .owed: break
            }
            let now = state
            guard
                now.consumed == view.consumed, now.filler == view.filler, now.isConnected == view.isConnected,
                now.isBroken == view.isBroken
            else { return .lookAgain }
            filler = view.filler == .owed ? .standing : .pending
            return view.filler == .owed ? .full : .sendFiller
        }
    }

    func fillerSent() { lock.withLock { if filler == .pending { filler = .standing } } }

    /// - Returns: the bytes taken, and what the backend does to the placeholder.
    func consume(_ count: Int) -> ([UInt8], Drain) {
        lock.withLock {
            let taken = Array(content.prefix(count))
            content.removeFirst(count)
            consumed += count
            return (taken, content.count <= capacity / 2 ? release() : .nothing)
        }
    }

    func decideConnect() -> Drain {
        lock.withLock {
            isConnected = true
            return release()
        }
    }

    func breakDown() -> Drain {
        lock.withLock {
            isBroken = true
            return release()
        }
    }

    func settleOwed() -> Bool {
        lock.withLock {
            guard filler == .owed else { return false }
            filler = .none
            return true
        }
    }

    func idle() -> Bool {
        lock.withLock {
            if content.isEmpty { isIdle = true }
            return content.isEmpty
        }
    }

    private func release() -> Drain {
        switch filler {
        case .none, .owed: return .nothing
        case .standing:
            filler = .none
            return .receiveFiller
        case .pending:
            filler = .owed
            return .owesFiller
        }
    }
}
