import XenSockRing
import XenSockWire

/// Out-of-band data from the network (docs/PROTOCOL.md, 2.7).
extension BackendSocket {
    /// The kernel announced an urgent byte. It is taken out of the stream at once; the mark says where it stood. The
    /// placeholder's kernel then shows PRI, and signals the program's owner.
    func takeUrgent() {
        guard network >= 0, mapping != nil else { return }
        let byte = kernel.receiveUrgent(network)
        guard byte >= 0 else { return }
        // While the mark lies ahead the kernel counts up to it.
        var ahead: Int32 = 0
        guard kernel.ioctl(network, request: IoctlRequest.inputQueue, value: &ahead) == 0 else { return }
        let mark = inRing.produced &+ UInt32(bitPattern: max(ahead, 0))
        urgent = (UInt8(truncatingIfNeeded: byte), mark)
        status.setUrgent(UInt8(truncatingIfNeeded: byte), mark: mark)
        // Where AF_UNIX has no such data the program sees the mark, but no PRI.
        // A relayed program may receive it there.
        _ = kernel.sendUrgent(placeholder, byte: relay == nil ? 0 : UInt8(truncatingIfNeeded: byte))
    }

    /// With SO_OOBINLINE the byte goes back to its place in the stream, before the service reads on.
    ///
    /// - Returns: false if there is no room for it yet.
    func passMark() throws(RingViolation) -> Bool {
        guard let (byte, mark) = urgent, Int32(bitPattern: mark &- inRing.produced) <= 0 else { return true }
        // The agent of a relayed program has sent it into the placeholder.
        if mark == inRing.produced, isUrgentInline, agentRelay == nil {
            let space = try inRing.free(limit: 1)
            guard let place = space.first.baseAddress, space.count == 1 else {
                if try !inRing.stall() { wantsTurn = true }
                return false
            }
            place.storeBytes(of: byte, as: UInt8.self)
            try publish(1)
        }
        urgent = nil
        return true
    }
}
