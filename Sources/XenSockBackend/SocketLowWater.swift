import XenSockRing
import XenSockWire

/// SO_RCVLOWAT: bytes that are too few have no token, although they stand in the ring (docs/PROTOCOL.md, 2.2).
extension BackendSocket {
    /// Whether the ring is readable once `count` more bytes stand in it. A full one is, whatever was asked for.
    func isReadable(with count: UInt32) throws(RingViolation) -> Bool {
        let unread = try inRing.unread() &+ count
        return unread >= min(lowWater, inRing.capacity)
    }

    /// Sets the token that a full ring has, if SO_RCVBUF made it full, or a reader that does not know its limit left it so.
    func showFull() throws(RingViolation) {
        guard lowWater > 1, !inRing.isArmed, try inRing.unread() > 0, try isReadable(with: 0) else { return }
        if try inRing.arm() { sendToken() }
    }

    /// setsockopt(2) of SO_RCVLOWAT. The kernel bounds the value, and forgets it again: it would keep bytes back, and
    /// would not tell of their arrival.
    func setLowWater(_ value: UnsafeRawBufferPointer) -> Int32 {
        let result = kernel.setsockopt(
            network, level: OptionNumber.solSocket, name: OptionNumber.soReceiveLowWater, value: value)
        guard result == 0 else { return result }
        var bounded: Int32 = 1
        var length: UInt32 = 4
        _ = kernel.getsockopt(
            network, level: OptionNumber.solSocket, name: OptionNumber.soReceiveLowWater, value: &bounded,
            length: &length)
        lowWater = UInt32(bitPattern: max(bounded, 1))
        withUnsafeBytes(of: Int32(1)) {
            _ = kernel.setsockopt(
                network, level: OptionNumber.solSocket, name: OptionNumber.soReceiveLowWater, value: $0)
        }
        guard phase == .connected, mapping != nil else { return 0 }
        guarded { () throws(RingViolation) in
            guard try inRing.unread() > 0, try isReadable(with: 0), try inRing.arm() else { return }
            sendToken()
        }
        return 0
    }
}
