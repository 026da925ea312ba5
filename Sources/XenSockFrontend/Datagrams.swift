import CXenSockSystem
import XenSockPlatform
import XenSockRing
import XenSockWire

/// The socket API on sockets of type SOCK_DGRAM and SOCK_RAW.
extension Frontend {
    /// socket(2).
    static func datagramSocket(domain: Int32, kind: Int32, flags: Int32, protocol: Int32) -> Int {
        guard kind == Int32(SOCK_DGRAM.rawValue) || kind == Int32(SOCK_RAW.rawValue), dialect == .xensock2 else {
            return -Int(ESOCKTNOSUPPORT)
        }
        return Birth.open(flags: flags, order: DatagramRecord.minimumOrder) { state, mask, port, id in
            guard let base = state.pointee.base else {
                return Response(requestID: 0, command: 0, ret: -ENETDOWN, id: id)
            }
            prepareRing(
                base: base, ports: state.pointee.ports, port: port, isGranted: state.pointee.isGranted != 0,
                order: DatagramRecord.minimumOrder)
            let page = Arena.indexesPage(forPort: port, ports: state.pointee.ports)
            DatagramVerdicts(base + Arena.offset(of: page)).forget()
            return Commands.exchangeBlocked(
                state, mask,
                .socket(
                    id: id, domain: UInt32(bitPattern: domain), type: UInt32(bitPattern: kind),
                    protocol: UInt32(bitPattern: `protocol`), eventChannel: EventChannelPort(port),
                    indexesPage: Session.indexesReference(state, port)))
        }
    }

    /// connect(2): sets the peer, or takes it away.
    static func datagramConnect(_ handle: SocketHandle, to address: SocketAddress) -> Int {
        settleOutput(handle)
        let response = command(
            handle,
            .connect(
                id: handle.entry.id, address: address, flags: 0, ring: .indexesPage(handle.indexesReference),
                eventChannel: EventChannelPort(handle.entry.port)))
        DatagramVerdicts(handle.socket.indexes).forget()
        if response.ret == 0 {
            handle.status.set(StatusLine.Flag.bound, true)
            handle.status.set(StatusLine.Flag.nearbyPeer, address.withUnsafeBytes { isNearby($0) })
        }
        return Int(response.ret)
    }

    /// shutdown(2): its effects come beside ENOTCONN too.
    static func datagramShutdown(_ handle: SocketHandle, how: Int32) -> Int {
        settleOutput(handle)
        let result = command(
            handle,
            .shutdown(id: handle.entry.id, how: UInt32(how), outProducer: handle.socket.output.produced)
        ).ret
        guard result == 0 || result == -ENOTCONN else { return Int(result) }
        if how != Int32(SHUT_WR) { handle.status.set(StatusLine.Flag.readShut, true) }
        if how != Int32(SHUT_RD) {
            handle.status.set(StatusLine.Flag.writeShut, true)
            _ = Kernel.shutdown(handle.fd, Int32(SHUT_WR))
        }
        return Int(result)
    }

    /// What a request changes must not hold for datagrams that were sent before it: waits, a second at most, until the
    /// service has handed them to its kernel.
    static func settleOutput(_ handle: SocketHandle) {
        let ring = handle.socket.output
        let end = ring.produced
        var tries = 0
        while tries < 1000, Int32(bitPattern: end &- ring.consumerValue().index) > 0 {
            if command(handle, .flush(id: handle.entry.id, outProducer: end)).ret == -EINVAL { return }
            if Int32(bitPattern: end &- ring.consumerValue().index) <= 0 { return }
            Kernel.sleep(nanoseconds: 1_000_000)
            tries &+= 1
        }
    }

    /// sendmsg(2).
    ///
    /// - Parameter control: control messages as `msg_control` has them.
    static func datagramSend(
        _ handle: SocketHandle, _ vectors: UnsafePointer<iovec>, _ count: Int, flags: Int32,
        address: UnsafeRawPointer?, length: UInt32, control: UnsafeRawBufferPointer
    ) -> Int {
        guard let payload = VectorCursor(vectors, count) else { return -Int(EINVAL) }
        let socket = handle.datagram
        let status = handle.status
        if length > UInt32(SocketAddress.capacity) { return -Int(EINVAL) }
        if payload.total > Int(DatagramRecord.maximumPayload) { return -Int(EMSGSIZE) }
        if flags & Int32(MSG_OOB) != 0 { return -Int(EOPNOTSUPP) }
        if control.count > Int(DatagramRecord.maximumControl) { return -Int(ENOBUFS) }
        let destination = UnsafeRawBufferPointer(start: address, count: address == nil ? 0 : Int(length))
        if address != nil, length < 2 { return -Int(EINVAL) }
        if address == nil {
            guard case .connected = status.state else {
                return socket.plain.isGone ? StreamSocket<LocalDomain>.isGoneNow : -Int(EDESTADDRREQ)
            }
        }
        if !payload.isAccessible(payload.total, writing: false) { return -Int(EFAULT) }
        if status.error != 0 {
            let error = socket.takeErrorAndTidy()
            if error != 0 { return -error }
        }
        if status.has(StatusLine.Flag.writeShut) || !socket.hasRing {
            if socket.plain.isGone { return StreamSocket<LocalDomain>.isGoneNow }
            return status.has(StatusLine.Flag.writeShut) ? -Int(EPIPE) : -Int(EIO)
        }
        let sendable = Int32(MSG_DONTROUTE | MSG_CONFIRM | MSG_MORE | MSG_EOR)
        let carried = UInt32(bitPattern: flags & sendable)
        let key = DatagramVerdicts.Key(address: destination, control: control, flags: carried)
        let verdicts = DatagramVerdicts(socket.plain.indexes)
        let isKnown = verdicts.has(key, payload.total)
        let record = DatagramRecord(
            payload: UInt32(truncatingIfNeeded: payload.total), address: UInt32(destination.count),
            control: UInt32(control.count), flags: carried, options: isKnown ? 0 : DatagramRecord.Option.verdict)
        let datagram = OutgoingDatagram(record: record, payload: payload, address: destination, control: control)
        let blocking = flags & Int32(MSG_DONTWAIT) == 0 && !status.has(StatusLine.Flag.nonBlocking)
        var end: UInt32 = 0
        let result = socket.publish(datagram, blocking: blocking, end: &end)
        if result < 0 { return result }
        if address == nil ? status.has(StatusLine.Flag.nearbyPeer) : isNearby(destination) { hasSentNearby = true }
        if isKnown { return payload.total }
        let verdict = command(handle, .flush(id: handle.entry.id, outProducer: end)).ret
        // Who closed it meanwhile had to wait for what was sent.
        if verdict == -EBADF, socket.plain.isGone { return payload.total }
        if verdict < 0 { return Int(verdict) }
        // The kernel has chosen a port, which is to be free when close(2) returns.
        if !status.has(StatusLine.Flag.bound) { status.set(StatusLine.Flag.bound, true) }
        verdicts.add(key, payload.total)
        return payload.total
    }

    /// Whether this process has sent a datagram to its own host since it last asked the service for what has come.
    /// Natively that is there when the sending call returns.
    nonisolated(unsafe) private static var hasSentNearby = false

    /// recvmsg(2).
    static func datagramReceive(
        _ handle: SocketHandle, _ vectors: UnsafePointer<iovec>, _ count: Int, flags: Int32,
        message: UnsafeMutablePointer<msghdr>?
    ) -> Int {
        let result = handle.datagram.receive(vectors, count, flags: flags, message: message)
        guard result == -Int(EAGAIN), hasSentNearby, flags & Int32(MSG_DONTWAIT) != 0 || isNonBlocking(handle) else {
            return result
        }
        hasSentNearby = false
        guard command(handle, .look(id: handle.entry.id)).ret == 0 else { return result }
        return handle.datagram.receive(vectors, count, flags: flags, message: message)
    }

    /// Makes an error pending again, which a call has taken and not reported.
    static func postpone(_ handle: SocketHandle, error: Int32) {
        let socket = handle.datagram
        let lock = handle.status.receiveLock
        let held = lock.acquire(socket.plain.tag, placeholder: socket.plain.placeholder)
        try? socket.plain.input.set(InProducer.error, true)
        _ = handle.status.word(StatusLine.error).compareExchange(0, UInt32(bitPattern: error))
        lock.release(held)
    }

    private static func isNonBlocking(_ handle: SocketHandle) -> Bool {
        handle.status.has(StatusLine.Flag.nonBlocking)
    }

    /// Whether an address is one of loopback.
    private static func isNearby(_ address: UnsafeRawBufferPointer) -> Bool {
        guard address.count >= 8 else { return false }
        switch address.loadUnaligned(as: UInt16.self) {
        case SocketAddress.inet, SocketAddress.unspecified: return address[4] == 127 || address[4] == 0
        case SocketAddress.inet6:
            guard address.count >= 24 else { return false }
            // ::1, ::, ::ffff:127.0.0.0/104
            let high = address.loadUnaligned(fromByteOffset: 8, as: UInt64.self)
            let low = address.loadUnaligned(fromByteOffset: 16, as: UInt64.self)
            return high == 0 && (low & ~(UInt64(1) << 56) == 0 || low & 0xff_ffff_ffff == 0x7f_ffff_0000)
        default: return false
        }
    }

    /// recvmsg(2) with MSG_ERRQUEUE: fetches the next message of the error queue, in pieces of an argument slot.
    static func receiveErrorMessage(
        _ handle: SocketHandle, _ vectors: UnsafePointer<iovec>, _ count: Int, flags: Int32,
        message: UnsafeMutablePointer<msghdr>?
    ) -> Int {
        guard var cursor = VectorCursor(vectors, count) else { return -Int(EINVAL) }
        let socket = handle.datagram
        let lock = handle.status.receiveLock
        let held = lock.acquire(socket.plain.tag, placeholder: socket.plain.placeholder)
        defer { lock.release(held) }
        return withUnsafeTemporaryAllocation(byteCount: Int(DatagramRecord.maximumSize), alignment: 8) { bytes in
            var got = 0
            var record: DatagramRecord?
            repeat {
                let response = command(
                    handle, .recverr(id: handle.entry.id, offset: UInt32(got)),
                    output: UnsafeMutableRawBufferPointer(rebasing: bytes[got...]))
                if response.ret != 0 { return Int(response.ret) }
                guard case .length(let size) = response.payload, size > 0 else { return -Int(EIO) }
                got = min(got &+ Int(size), bytes.count)
                if record == nil {
                    guard got >= Int(DatagramRecord.headSize) else { return -Int(EIO) }
                    let base = bytes.baseAddress!
                    let words = (
                        base.load(as: UInt64.self), base.load(fromByteOffset: 8, as: UInt64.self),
                        base.load(fromByteOffset: 16, as: UInt64.self)
                    )
                    record = DatagramRecord(words: words, available: DatagramRecord.maximumSize)
                }
            } while record != nil && got < Int(record!.size)
            guard let record else { return -Int(EIO) }
            if !held.isReentered { _ = socket.tidy() }
            let room = min(cursor.total, Int(record.payload))
            guard cursor.isAccessible(room, writing: true) else { return -Int(EFAULT) }
            let start = Int(DatagramRecord.headSize)
            cursor.store(UnsafeMutableRawBufferPointer(rebasing: bytes[start..<(start &+ room)]))
            if let message {
                let address = Int(record.addressOffset)
                let control = Int(record.controlOffset)
                let name = UnsafeRawBufferPointer(rebasing: bytes[address..<(address &+ Int(record.address))])
                // A message of the queue need not have one.
                if name.count > 0, !handle.status.mayName(name) { return -Int(EIO) }
                MessageParts(
                    address: name,
                    control: UnsafeRawBufferPointer(rebasing: bytes[control..<(control &+ Int(record.control))])
                ).copy(
                    to: message,
                    flags: Int32(bitPattern: record.flags) | (room < Int(record.payload) ? Int32(MSG_TRUNC) : 0)
                ).store(message)
            }
            return room
        }
    }
}
