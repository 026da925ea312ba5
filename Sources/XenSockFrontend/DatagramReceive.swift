import CXenSockSystem
import XenSockPlatform
import XenSockRing
import XenSockWire

/// Receiving from a datagram socket, with recvmsg(2)'s results and errors.
extension DatagramSocket {
    /// - Parameters:
    ///   - vectors: the program's buffers, `count` of them.
    ///   - flags: MSG_PEEK, MSG_DONTWAIT, MSG_TRUNC.
    ///   - message: takes name, control messages and flags.
    /// - Returns: the bytes received, or the datagram's size with MSG_TRUNC; a negative errno.
    func receive(
        _ vectors: UnsafePointer<iovec>, _ count: Int, flags: Int32, message: UnsafeMutablePointer<msghdr>?
    ) -> Int {
        var socket = self
        let result = socket.received(vectors, count, flags: flags, message: message)
        socket.plain.endHold()
        return result
    }

    private mutating func received(
        _ vectors: UnsafePointer<iovec>, _ count: Int, flags: Int32, message: UnsafeMutablePointer<msghdr>?
    ) -> Int {
        guard let cursor = VectorCursor(vectors, count) else { return -Int(EINVAL) }
        guard hasRing else { return plain.isGone ? StreamSocket<Domain>.isGoneNow : -Int(EIO) }
        let peek = flags & Int32(MSG_PEEK) != 0
        let ring = plain.input
        let lock = status.receiveLock
        var held = lock.acquire(plain.tag, placeholder: plain.placeholder)
        if plain.isGone {
            lock.release(held)
            return StreamSocket<Domain>.isGoneNow
        }
        var fruitless = 0
        var wakes = VainWakes()
        var result = 0
        while true {
            guard fruitless < StreamSocket<Domain>.fruitlessLimit, let view = try? ring.view() else {
                result = -Int(EIO)
                break
            }
            fruitless &+= 1
            if view.producer.has(InProducer.unsettled) {
                plain.settleTokens(ring)
                continue
            }
            if view.producer.has(InProducer.error) {
                let error = takeError()
                if error == 0 { continue }
                DatagramVerdicts(plain.indexes).forget()
                result = -error
                if !held.isReentered { _ = tidy() }
                break
            }
            if case .reset = status.state {
                result = -Int(EIO)
                break
            }
            if view.count > 0 {
                guard let words = ring.head(view), let record = DatagramRecord(words: words, available: view.count)
                else {
                    result = -Int(EIO)
                    break
                }
                var lengths = MessageLengths()
                let received = copy(record, ring, view, to: cursor, flags, message, &lengths)
                if peek || received == -Int(EIO) {
                    guard ring.isCurrent(view) else { continue }
                } else {
                    guard let consumption = try? ring.consume(view, record.size) else {
                        result = -Int(EIO)
                        break
                    }
                    guard case .done(let mustNotify) = consumption else { continue }
                    if mustNotify { plain.notify() }
                    if !held.isReentered { _ = tidy() }
                }
                if received >= 0, let message { lengths.store(message) }
                result = received
                break
            }
            let waits = flags & Int32(MSG_DONTWAIT) == 0 && !status.has(StatusLine.Flag.nonBlocking)
            if view.endOfFile {
                result = waits ? 0 : -Int(EAGAIN)
                if waits, let message { Self.clear(message) }
                break
            }
            if view.producer.tokens > 0, !view.producer.has(InProducer.errorQueue) {
                if !ring.disarm(view) { continue }
                if !plain.eat(view.producer.tokens) {
                    fruitless &+= StreamSocket<Domain>.fruitlessLimit / 2
                }
                continue
            }
            if !waits {
                if status.misses.load() != 0, !held.isReentered, plain.countLateTokens(ring) { continue }
                result = plain.missed()
                if result == -Int(ECONNRESET) { result = -Int(ENETDOWN) }
                break
            }
            if held.isReentered { plain.renotify() }
            plain.hold()
            lock.release(held)
            result = plain.domain.awaitToken(plain.placeholder)
            if result > 0 {
                let interrupted = wakes.add()
                if interrupted < 0 { result = interrupted }
            }
            held = lock.acquire(plain.tag, placeholder: plain.placeholder)
            let isMoved = plain.settleHold()
            if plain.isGone {
                result = StreamSocket<Domain>.isGoneNow
                break
            }
            fruitless = 0
            if plain.mustWaitAgain(isMoved, result) { continue }
            if result > 0 {
                if !held.isReentered { _ = plain.countLateTokens(ring) }
                continue
            }
            if result == 0, ring.producerValue().has(InProducer.endOfFile) { continue }
            if result == 0 { result = -Int(ENETDOWN) }
            break
        }
        lock.release(held)
        if result >= 0, status.misses.load() != 0 { status.misses.store(0) }
        return result
    }

    /// Copies a record's parts to the program.
    ///
    /// - Parameter lengths: takes what `message` is to say of them once it is known that this was the next record.
    /// - Returns: recvmsg(2)'s result; -EIO if the address is none that the socket's kernel gives.
    private func copy(
        _ record: DatagramRecord, _ ring: InRingFront, _ view: InRingFront.View, to cursor: VectorCursor,
        _ flags: Int32, _ message: UnsafeMutablePointer<msghdr>?, _ lengths: inout MessageLengths
    ) -> Int {
        var cursor = cursor
        let room = UInt32(truncatingIfNeeded: min(cursor.total, Int(record.payload)))
        // The datagram is lost with it.
        guard cursor.isAccessible(Int(room), writing: true) else { return -Int(EFAULT) }
        let payload = ring.bytes(view, skip: DatagramRecord.headSize, limit: room)
        cursor.store(payload.first)
        cursor.store(payload.second)
        let isCut = room < record.payload
        var isPossible = true
        if let message {
            // In two pieces: what is larger than 1024 bytes would come from malloc(3).
            withUnsafeTemporaryAllocation(byteCount: 1024, alignment: 8) { control in
                withUnsafeTemporaryAllocation(byteCount: 128, alignment: 8) { address in
                    ring.bytes(view, skip: record.controlOffset, limit: record.control).copy(to: control.baseAddress!)
                    ring.bytes(view, skip: record.addressOffset, limit: record.address).copy(to: address.baseAddress!)
                    let name = UnsafeRawBufferPointer(rebasing: address[0..<Int(record.address)])
                    isPossible = status.mayName(name)
                    guard isPossible else { return }
                    lengths = MessageParts(
                        address: name, control: UnsafeRawBufferPointer(rebasing: control[0..<Int(record.control)])
                    )
                    .copy(to: message, flags: Int32(bitPattern: record.flags) | (isCut ? Int32(MSG_TRUNC) : 0))
                }
            }
        }
        if !isPossible { return -Int(EIO) }
        return flags & Int32(MSG_TRUNC) != 0 ? Int(record.payload) : Int(room)
    }

    /// What recvmsg(2) says of a message without name and control.
    static func clear(_ message: UnsafeMutablePointer<msghdr>) {
        if message.pointee.msg_name != nil { message.pointee.msg_namelen = 0 }
        message.pointee.msg_controllen = 0
        message.pointee.msg_flags = 0
    }
}

/// What a received message says of itself beside its bytes.
struct MessageLengths {
    var name: socklen_t = 0
    var control = 0
    var flags: Int32 = 0

    func store(_ message: UnsafeMutablePointer<msghdr>) {
        if message.pointee.msg_name != nil { message.pointee.msg_namelen = name }
        message.pointee.msg_controllen = control
        message.pointee.msg_flags = flags
    }
}

/// Address and control messages on their way to the program.
struct MessageParts {
    let address: UnsafeRawBufferPointer
    let control: UnsafeRawBufferPointer

    /// Copies them as recvmsg(2) does: an address is cut to the room and reported whole, a control message is cut and
    /// reported as such.
    ///
    /// - Parameter message: its lengths are the program's rooms, and are left: what is copied may not have been next, and
    ///   another come in its place.
    /// - Returns: the lengths that recvmsg(2) gives back.
    func copy(to message: UnsafeMutablePointer<msghdr>, flags: Int32) -> MessageLengths {
        var result = MessageLengths(flags: flags)
        if let name = message.pointee.msg_name {
            let room = Int(message.pointee.msg_namelen)
            if address.count > 0, let base = address.baseAddress { memcpy(name, base, min(room, address.count)) }
            result.name = socklen_t(address.count)
        }
        let room = message.pointee.msg_control == nil ? 0 : Int(message.pointee.msg_controllen)
        var used = 0
        var offset = 0
        let head = 16
        while offset &+ head <= control.count, let from = control.baseAddress {
            let length = Int(truncatingIfNeeded: (from + offset).loadUnaligned(as: UInt64.self))
            guard length >= head, length <= control.count &- offset else { break }
            let next = offset &+ (length &+ 7) & ~7
            if Self.isOfUnixSockets((from + offset + 8).loadUnaligned(as: UInt64.self)) {
                offset = next
                continue
            }
            guard let to = message.pointee.msg_control, room &- used >= head else {
                result.flags |= Int32(MSG_CTRUNC)
                break
            }
            let stored = min(length, room &- used)
            if stored < length { result.flags |= Int32(MSG_CTRUNC) }
            memcpy(to + used, from + offset, stored)
            (to + used).storeBytes(of: UInt64(stored), as: UInt64.self)
            used &+= min((length &+ 7) & ~7, room &- used)
            offset = next
        }
        result.control = used
        return result
    }

    /// Whether a level and a type behind it are SOL_SOCKET's SCM_RIGHTS, SCM_CREDENTIALS, SCM_SECURITY or SCM_PIDFD, which
    /// no datagram of the network has. Programs close whatever descriptors a message names.
    private static func isOfUnixSockets(_ levelAndType: UInt64) -> Bool {
        UInt32(truncatingIfNeeded: levelAndType) == UInt32(SOL_SOCKET) && (1...4).contains(levelAndType >> 32)
    }
}
