import XenSockRing
import XenSockWire

/// The pending error and the error queue of a datagram socket (docs/PROTOCOL.md, 2.5).
extension BackendSocket {
    /// Takes over the real socket's pending error, and looks whether its error queue holds something.
    func takeErrors() throws(RingViolation) {
        let error = takeNetworkError()
        if error != 0 { try raise(error) }
        try showErrorQueue()
    }

    private func showErrorQueue() throws(RingViolation) {
        let holds = kernel.poll(network, []).contains(.error)
        if holds {
            if try inRing.raise(InProducer.errorQueue, edge: status.isEdgeTriggered) { sendToken() }
        } else if inRing.has(InProducer.errorQueue) {
            try inRing.lower(InProducer.errorQueue)
        }
    }

    /// Makes an error the pending one, and the socket readable for it.
    func raise(_ error: Int32) throws(RingViolation) {
        // The flag comes first: who takes the error clears it, and one that came later would stand for nothing.
        if try inRing.raise(InProducer.error, edge: status.isEdgeTriggered) { sendToken() }
        status.setError(error)
        // A reader that saw the flag and waited in vain for the error has cleared it.
        var tries = 0
        while tries < 3, status.hasError, !inRing.has(InProducer.error) {
            if try inRing.raise(InProducer.error, edge: status.isEdgeTriggered) { sendToken() }
            tries += 1
        }
    }

    /// RECVERR: the bytes from `offset` on of a message of the error queue, as a record; offset 0 fetches the next one.
    ///
    /// - Parameter room: where they go, 512 bytes.
    /// - Returns: their number or a negative errno.
    func receiveErrorMessage(offset: UInt32, into room: UnsafeMutableRawBufferPointer) -> Int32 {
        guard let datagrams else { return 0 &- Errno.eopnotsupp }
        guard phase == .datagram else { return 0 &- Errno.eio }
        if offset == 0 {
            let result = fetchErrorMessage(datagrams)
            guard result >= 0 else { return result }
        }
        guard Int(offset) <= datagrams.errorMessage.count else { return 0 &- Errno.einval }
        let rest = datagrams.errorMessage[Int(offset)...].prefix(room.count)
        room.copyBytes(from: rest)
        return Int32(rest.count)
    }

    private func fetchErrorMessage(_ datagrams: DatagramTraffic) -> Int32 {
        let payloadRoom = Int(DatagramRecord.maximumPayload)
        let addressEnd = payloadRoom + 1 + SocketAddress.capacity
        let size = addressEnd + Int(DatagramRecord.maximumControl)
        let result = withUnsafeTemporaryAllocation(byteCount: size, alignment: 8) { bytes in
            var buffers = MessageBuffers(
                address: UnsafeMutableRawBufferPointer(rebasing: bytes[(payloadRoom + 1)..<addressEnd]),
                control: UnsafeMutableRawBufferPointer(rebasing: bytes[addressEnd...]))
            var flags = MessageFlag.errorQueue
            let payload = UnsafeMutableRawBufferPointer(rebasing: bytes[0..<payloadRoom])
            let result = kernel.receiveMessage(network, into: Segments(payload), &buffers, flags: &flags)
            guard result >= 0 else { return result }
            let head = DatagramRecord(
                payload: UInt32(result), address: UInt32(buffers.address.count), control: UInt32(buffers.control.count),
                flags: UInt32(bitPattern: flags) & MessageFlag.reported)
            var record = [UInt8](repeating: 0, count: Int(head.size))
            record.withUnsafeMutableBytes { record in
                record.storeBytes(of: head.words.0, as: UInt64.self)
                record.storeBytes(of: head.words.1, toByteOffset: 8, as: UInt64.self)
                record.storeBytes(of: head.words.2, toByteOffset: 16, as: UInt64.self)
                record[Int(DatagramRecord.headSize)...].copyBytes(from: payload[0..<result])
                record[Int(head.addressOffset)...].copyBytes(from: buffers.address)
                record[Int(head.controlOffset)...].copyBytes(from: buffers.control)
            }
            datagrams.errorMessage = record
            return 0
        }
        guarded { () throws(RingViolation) in try showErrorQueue() }
        return Int32(truncatingIfNeeded: result)
    }
}
