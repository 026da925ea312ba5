import XenSockRing
import XenSockWire

/// A port's status line as the service uses it (docs/PROTOCOL.md, 3.3). A view of 128 bytes of shared memory that the
/// arena owns: what is read from it is the frontend's word.
struct PortStatus {
    let base: UnsafeMutableRawPointer

    @inline(__always)
    private func word(_ offset: Int) -> SharedWord32 { SharedWord32(base + offset) }

    /// The socket's kind stands, and its state is the last to be seen.
    func open(domain: UInt32, type: UInt32, state: StatusLine.State) {
        word(StatusLine.error).store(0)
        SharedWord64(base + StatusLine.urgent).store(0)
        word(StatusLine.kind).store(
            StatusLine.kind(domain: UInt16(truncatingIfNeeded: domain), type: UInt16(truncatingIfNeeded: type)))
        word(StatusLine.state).storeOrdered(state.rawValue)
    }

    func setState(_ state: StatusLine.State) { word(StatusLine.state).storeOrdered(state.rawValue) }

    /// Sets the pending SO_ERROR, a positive errno.
    func setError(_ error: Int32) { word(StatusLine.error).storeOrdered(UInt32(bitPattern: error)) }

    /// Whether an error is pending.
    var hasError: Bool { word(StatusLine.error).loadOrdered() != 0 }

    /// An urgent byte came, which stands at the index `mark` of `in`.
    func setUrgent(_ byte: UInt8, mark: UInt32) {
        let flags = StatusLine.Urgent.valid | StatusLine.Urgent.mark | StatusLine.Urgent.queued
        SharedWord64(base + StatusLine.urgent).store(UInt64(mark) << 32 | flags | UInt64(byte))
    }

    /// Takes the pending SO_ERROR.
    func takeError() -> Int32 { Int32(bitPattern: word(StatusLine.error).exchange(0)) }

    /// Whether every publish is to be a token of its own.
    @inline(__always)
    var isEdgeTriggered: Bool { word(StatusLine.flags).load() & StatusLine.Flag.edgeTriggered != 0 }

    /// Whether the end of the stream is to be the placeholder's own too.
    var isEndWanted: Bool {
        word(StatusLine.flags).loadOrdered() & (StatusLine.Flag.endWanted | StatusLine.Flag.edgeTriggered) != 0
    }

    /// Tells every process that the placeholder carries the bytes.
    func setRelayed() { word(StatusLine.flags).formUnion(StatusLine.Flag.relayed) }

    /// The lock words, receive and send.
    var locks: (SharedWord64, SharedWord64) {
        (SharedWord64(base + StatusLine.receiveLock), SharedWord64(base + StatusLine.sendLock))
    }

    /// Everything of the socket is gone. The generation goes up last: whoever sees it finds a clean line.
    func free(nextGeneration: UInt32) {
        for offset in stride(from: StatusLine.receiveLock, to: StatusLine.size, by: 8) {
            SharedWord64(base + offset).store(0)
        }
        word(StatusLine.error).store(0)
        word(StatusLine.kind).store(0)
        word(StatusLine.state).storeOrdered(StatusLine.State.free.rawValue)
        word(StatusLine.generation).storeOrdered(nextGeneration)
    }
}
