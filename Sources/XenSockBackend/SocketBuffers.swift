import XenSockRing
import XenSockWire

/// The limits that SO_SNDBUF and SO_RCVBUF set to the data ring (docs/PROTOCOL.md, 2.2).
struct BufferLimits {
    var receive = BufferLimit.none
    var send = BufferLimit.none
}

extension BackendSocket {
    /// An option was set: if it is a buffer's size, the ring follows.
    func noteBuffer(level: Int32, name: Int32, value: UnsafeRawBufferPointer) {
        guard level == OptionNumber.solSocket, value.count >= 4 else { return }
        let limit = BufferLimit.bytes(value.loadUnaligned(as: Int32.self))
        switch name {
        // The second of each is the one for the privileged, SO_SNDBUFFORCE and SO_RCVBUFFORCE.
        case OptionNumber.soSendBuffer, 32: bufferLimits.send = limit
        case OptionNumber.soReceiveBuffer, 33: bufferLimits.receive = limit
        default: return
        }
        limitRings()
        // What was full may have room.
        wantsTurn = true
    }

    func limitRings() {
        inRing.capacity = BufferLimit.capacity(bufferLimits.receive, size: inRing.size)
        outRing.capacity = BufferLimit.capacity(bufferLimits.send, size: outRing.size)
    }
}
