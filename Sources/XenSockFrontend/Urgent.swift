import CXenSockSystem
import XenSockPlatform
import XenSockRing
import XenSockWire

/// Out-of-band data (docs/PROTOCOL.md, 2.7).
enum Urgent {
    /// send(2) with MSG_OOB: the last byte is urgent and stands behind all others.
    static func send(_ handle: SocketHandle, _ vectors: UnsafePointer<iovec>, _ count: Int, flags: Int32) -> Int {
        if handle.isV1 { return -Int(EOPNOTSUPP) }
        guard var cursor = VectorCursor(vectors, count) else { return -Int(EINVAL) }
        guard cursor.total > 0 else { return 0 }
        guard cursor.isAccessible(cursor.total, writing: false) else { return -Int(EFAULT) }
        let ordinary = cursor.total &- 1
        let sent = ordinary > 0 ? sendOrdinary(handle, &cursor, ordinary, flags & ~Int32(MSG_OOB)) : 0
        if sent < ordinary { return sent }
        guard case .connected = handle.status.state, !handle.status.has(StatusLine.Flag.writeShut) else {
            return sent > 0 ? sent : -Int(EPIPE)
        }
        var byte: UInt8 = 0
        withUnsafeMutableBytes(of: &byte) { cursor.load(into: $0) }
        let response = Frontend.command(
            handle,
            .sendOOB(id: handle.entry.id, outProducer: handle.socket.output.produced, byte: byte))
        if response.ret == 0 { return sent &+ 1 }
        return sent > 0 ? sent : Int(response.ret)
    }

    /// Sends the bytes before the urgent one. Returns how many went, or a negative errno.
    private static func sendOrdinary(_ handle: SocketHandle, _ cursor: inout VectorCursor, _ total: Int, _ flags: Int32)
        -> Int
    {
        withUnsafeTemporaryAllocation(byteCount: 1024, alignment: 8) { buffer in
            var sent = 0
            while sent < total {
                let size = min(total &- sent, buffer.count)
                cursor.load(into: UnsafeMutableRawBufferPointer(rebasing: buffer[0..<size]))
                var vector = iovec(iov_base: buffer.baseAddress, iov_len: size)
                let result = withUnsafePointer(to: &vector) {
                    var result = StreamSocket<LocalDomain>.isRelayedNow
                    if !handle.isRelayed { result = handle.socket.send($0, 1, flags: flags) }
                    return result == StreamSocket<LocalDomain>.isRelayedNow
                        ? Frontend.sendRelayed(handle, $0, 1, flags: flags) : result
                }
                if result == StreamSocket<LocalDomain>.isGoneNow { return sent > 0 ? sent : -Int(EBADF) }
                if result < 0 { return sent > 0 ? sent : result }
                sent &+= result
                if result < size { break }
            }
            return sent
        }
    }

    /// recv(2) with MSG_OOB: the urgent byte, once.
    static func receive(
        _ handle: SocketHandle, _ vectors: UnsafePointer<iovec>, _ count: Int, flags: Int32,
        message: UnsafeMutablePointer<msghdr>?
    ) -> Int {
        guard !handle.isV1, !handle.status.has(StatusLine.Flag.urgentInline) else { return -Int(EINVAL) }
        guard var cursor = VectorCursor(vectors, count) else { return -Int(EINVAL) }
        let word = handle.status.urgent
        let value = word.load()
        guard value & StatusLine.Urgent.valid != 0 else { return -Int(EINVAL) }
        if flags & Int32(MSG_PEEK) == 0 {
            // Somebody else received it, or the next one has come.
            guard word.compareExchange(value, value & ~StatusLine.Urgent.valid) else { return -Int(EINVAL) }
            handle.socket.urgentReceived()
        }
        if let message {
            message.pointee.msg_controllen = 0
            message.pointee.msg_flags = Int32(MSG_OOB) | (cursor.total == 0 ? Int32(MSG_TRUNC) : 0)
            if message.pointee.msg_name != nil { message.pointee.msg_namelen = 0 }
        }
        if cursor.total == 0 { return 0 }
        if flags & Int32(MSG_TRUNC) != 0 { return 1 }
        guard cursor.isAccessible(1, writing: true) else { return -Int(EFAULT) }
        var byte = UInt8(truncatingIfNeeded: value)
        withUnsafeMutableBytes(of: &byte) { cursor.store($0) }
        return 1
    }
}

extension StreamSocket {
    /// How many bytes of `in` stand before the mark; nil without one.
    func bytesToMark() -> Int? {
        let value = status.urgent.load()
        guard value & StatusLine.Urgent.mark != 0 else { return nil }
        let consumed = IndexWord(indexes + InConsumer.offset).load().index
        let distance = Int(Int32(bitPattern: UInt32(truncatingIfNeeded: value >> 32) &- consumed))
        return distance < 0 ? nil : distance
    }

    /// How far a receive may go: it stops at the mark, and the one that begins there goes beyond it. Called with the
    /// lock held.
    ///
    /// - Returns: 0 to stop.
    @inline(never)
    func distanceToMark(_ view: InRingFront.View, got: Int, peek: Bool) -> Int {
        let value = status.urgent.load()
        let distance = Int(Int32(bitPattern: UInt32(truncatingIfNeeded: value >> 32) &- view.consumer.index))
        if distance > 0 { return distance }
        if distance == 0, got > 0 { return 0 }
        let isInline = status.has(StatusLine.Flag.urgentInline)
        if !peek, distance < 0 || !isInline {
            // An urgent byte that nobody asked for is gone when the stream goes on.
            _ = status.urgent.compareExchange(value, value & ~(StatusLine.Urgent.valid | StatusLine.Urgent.mark))
        }
        return Int.max
    }

    /// After MSG_OOB took the byte: the placeholder shows PRI no longer.
    func urgentReceived() {
        let lock = status.receiveLock
        let held = lock.acquire(tag, placeholder: placeholder)
        if !held.isReentered, !isGone { clearUrgentPlaceholder(input) }
        lock.release(held)
    }

    /// Takes the placeholder's urgent byte away once the program has, or has received beyond it. Called with the lock
    /// held.
    func clearUrgentPlaceholder(_ ring: InRingFront) {
        let value = status.urgent.load()
        let isInline = status.has(StatusLine.Flag.urgentInline)
        let isOpen = isInline ? (bytesToMark() != nil) : value & StatusLine.Urgent.valid != 0
        if isOpen || value & StatusLine.Urgent.queued == 0 { return }
        domain.clearUrgent(placeholder)
        // Behind tokens what is left of it stays until they are gone.
        guard ring.producerValue().tokens == 0 else { return }
        _ = status.urgent.compareExchange(value, value & ~StatusLine.Urgent.queued)
        // The kernel made an ordinary byte of one that was followed by another before it was taken.
        if countLateTokens(ring), let view = try? ring.view(), view.count == 0, !view.endOfFile, ring.disarm(view) {
            eat(view.producer.tokens)
        }
    }
}
