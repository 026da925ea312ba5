import XenSockRing
import XenSockWire

/// What a datagram socket has beside its ring (docs/PROTOCOL.md, 2.5).
final class DatagramTraffic {
    /// Records moved at most in one direction in one turn.
    static let budget = 64
    /// Bytes sent at most in one turn: not more than a receiver on this host, whose turn comes next, can hold.
    static let sendBudget: UInt32 = 64 * 1024
    /// Errors of receiving in one turn, at most.
    static let maximumErrors = 8
    /// Errors kept for FLUSH requests, at most.
    static let maximumVerdicts = 64

    /// Whether the socket may send to an address: 0 or a positive errno.
    let judge: DatagramJudge
    /// Errors of records that FLUSH will ask for, by the index at which each ends.
    var verdicts: [(position: UInt32, error: Int32)] = []
    /// The message of the error queue that was fetched last, as a record.
    var errorMessage: [UInt8] = []
    /// epoll watches for room too.
    var watchesRoom = false

    init(judge: DatagramJudge) { self.judge = judge }

    func remember(_ error: Int32, at position: UInt32) {
        if verdicts.count >= Self.maximumVerdicts { verdicts.removeFirst() }
        verdicts.append((position, error))
    }

    /// Takes the error of the record that ended at `position`; 0 if it had none.
    func takeVerdict(at position: UInt32) -> Int32 {
        guard let index = verdicts.firstIndex(where: { $0.position == position }) else { return 0 }
        return verdicts.remove(at: index).error
    }
}

/// A socket of type SOCK_DGRAM or SOCK_RAW: its ring carries records from SOCKET on.
extension BackendSocket {
    /// Takes the data ring and begins to watch the real socket.
    ///
    /// - Returns: 0 or a negative errno; then the socket is of no use.
    func openDatagrams(_ judge: DatagramJudge) -> Int32 {
        guard mapDataRing() else { return 0 &- arena.mappingError(port: port) }
        guard inRing.size >= 2048 << DatagramRecord.minimumOrder else { return 0 &- Errno.einval }
        let result = watchNetwork(EpollEvents.input)
        guard result == 0 else { return result }
        datagrams = DatagramTraffic(judge: judge)
        phase = .datagram
        writable = true
        // IDLE does not stand yet: the service owes `out` a look.
        wantsTurn = true
        return 0
    }

    func datagramEvent(_ events: UInt32) throws(RingViolation) {
        if events & EpollEvents.output != 0 {
            writable = true
            watchRoom(false)
        }
        if events & (EpollEvents.input | EpollEvents.error | EpollEvents.hangup) != 0 { readable = true }
        if events & EpollEvents.error != 0 { try takeErrors() }
        wantsTurn = true
    }

    func datagramTurn() throws(RingViolation) {
        try receiveDatagrams()
        try sendDatagrams()
    }

    // MARK: Receiving

    private func receiveDatagrams() throws(RingViolation) {
        guard readable else { return }
        var errors = 0
        for _ in 0..<DatagramTraffic.budget {
            if try inRing.size &- inRing.unread() < DatagramRecord.maximumSize {
                // What does not fit stays with the kernel, which drops what comes beyond that.
                if try inRing.stall(unless: DatagramRecord.maximumSize) { return }
                continue
            }
            let result = try receiveDatagram()
            if result < 0 {
                switch Int32(truncatingIfNeeded: 0 &- result) {
                case Errno.eagain: return readable = false
                case Errno.eintr: continue
                case let error:
                    try raise(error)
                    errors += 1
                    // One that does not go away by being told is not to be asked for again before the next event.
                    if errors >= DatagramTraffic.maximumErrors { return readable = false }
                }
            }
        }
        wantsTurn = true
    }

    /// Receives what is there, though no event has said so yet.
    func lookForDatagrams() -> Int32 {
        guard phase == .datagram else { return 0 &- Errno.eio }
        readable = true
        guarded { () throws(RingViolation) in try receiveDatagrams() }
        return 0
    }

    /// Receives one datagram straight into the ring.
    ///
    /// - Returns: recvmsg(2)'s result.
    private func receiveDatagram() throws(RingViolation) -> Int {
        let room = SocketAddress.capacity + Int(DatagramRecord.maximumControl)
        var head = DatagramRecord(payload: 0, address: 0, control: 0, flags: 0)
        let result = withUnsafeTemporaryAllocation(byteCount: room, alignment: 8) { bytes in
            var buffers = MessageBuffers(
                address: UnsafeMutableRawBufferPointer(rebasing: bytes[0..<SocketAddress.capacity]),
                control: UnsafeMutableRawBufferPointer(rebasing: bytes[SocketAddress.capacity...]))
            var flags: Int32 = 0
            let space = inRing.space(at: DatagramRecord.headSize, DatagramRecord.maximumPayload)
            let result = kernel.receiveMessage(network, into: space, &buffers, flags: &flags)
            guard result >= 0 else { return result }
            head = DatagramRecord(
                payload: UInt32(truncatingIfNeeded: result), address: UInt32(buffers.address.count),
                control: UInt32(buffers.control.count),
                flags: UInt32(bitPattern: flags) & MessageFlag.reported)
            if let base = buffers.address.baseAddress {
                inRing.space(at: head.addressOffset, head.address).copy(from: base)
            }
            if let base = buffers.control.baseAddress {
                inRing.space(at: head.controlOffset, head.control).copy(from: base)
            }
            return result
        }
        guard result >= 0 else { return result }
        inRing.storeHead(head.words)
        try publish(head.size)
        return result
    }

    // MARK: Sending

    private func sendDatagrams() throws(RingViolation) {
        let start = outRing.consumed
        for _ in 0..<DatagramTraffic.budget where outRing.consumed &- start < DatagramTraffic.sendBudget {
            guard phase == .datagram || phase == .draining, writable else { return }
            var waiting = try outRing.waiting()
            if phase == .draining { waiting = min(waiting, drainEnd &- outRing.consumed) }
            if waiting == 0 {
                if phase == .draining { return finish(abort: false) }
                if try outRing.idle() { return }
                continue
            }
            try sendDatagram(waiting)
        }
        wantsTurn = true
    }

    /// Sends what a program left behind.
    func drainDatagrams() throws(RingViolation) { try sendDatagrams() }

    /// Takes the first of the `waiting` bytes' records out of the ring and sends it, unless the real socket has no room.
    private func sendDatagram(_ waiting: UInt32) throws(RingViolation) {
        guard let words = outRing.head(), let head = DatagramRecord(words: words, available: waiting) else {
            return violate("a record out of bounds")
        }
        let error = transmit(head)
        if error == Errno.eagain {
            writable = false
            return watchRoom(true)
        }
        settle(try outRing.consume(head.size))
        if phase == .draining { lastProgress = kernel.now() }
        if head.options & DatagramRecord.Option.verdict == 0 {
            if error != 0 { try raise(error) }
            return
        }
        if error != 0 { return datagrams?.remember(error, at: outRing.consumed) ?? () }
        // Of a destination on this host the refusal is there already, and a program would have it with its next call.
        if kernel.poll(network, []).contains(.error) { try takeErrors() }
    }

    /// sendmsg(2) of the ring's first record. Policy and control messages are judged on private copies.
    ///
    /// - Returns: 0 or a positive errno.
    private func transmit(_ head: DatagramRecord) -> Int32 {
        let room = SocketAddress.capacity + Int(DatagramRecord.maximumControl)
        return withUnsafeTemporaryAllocation(byteCount: room, alignment: 8) { bytes in
            let controlEnd = SocketAddress.capacity + Int(head.control)
            let buffers = MessageBuffers(
                address: UnsafeMutableRawBufferPointer(rebasing: bytes[0..<Int(head.address)]),
                control: UnsafeMutableRawBufferPointer(rebasing: bytes[SocketAddress.capacity..<controlEnd]))
            if let base = buffers.address.baseAddress {
                outRing.bytes(at: head.addressOffset, head.address).copy(to: base)
            }
            if let base = buffers.control.baseAddress {
                outRing.bytes(at: head.controlOffset, head.control).copy(to: base)
            }
            var refusal = ControlRules.refusal(UnsafeRawBufferPointer(buffers.control))
            if refusal == 0, head.address > 0 {
                refusal = datagrams?.judge.decide(UnsafeRawBufferPointer(buffers.address)) ?? Errno.eperm
            }
            guard refusal == 0 else { return refusal }
            let payload = outRing.bytes(at: DatagramRecord.headSize, head.payload)
            let flags = Int32(bitPattern: head.flags & MessageFlag.sendable)
            let asksVerdict = head.options & DatagramRecord.Option.verdict != 0
            var result = kernel.sendMessage(network, from: payload, buffers, flags: flags)
            if result < 0, result != Int(0 &- Errno.eagain), !asksVerdict {
                // Perhaps the error of an earlier one, which the kernel reports in the place of sending this one; the
                // program has been told that it went out.
                let error = Int32(truncatingIfNeeded: 0 &- result)
                guarded { () throws(RingViolation) in try raise(error) }
                result = kernel.sendMessage(network, from: payload, buffers, flags: flags)
            }
            return result < 0 ? Int32(truncatingIfNeeded: 0 &- result) : 0
        }
    }

    private func watchRoom(_ wanted: Bool) {
        guard let datagrams, datagrams.watchesRoom != wanted else { return }
        datagrams.watchesRoom = wanted
        _ = watchNetwork(EpollEvents.input | (wanted ? EpollEvents.output : 0))
    }

    /// FLUSH: sends the records before `position`, as far as the real socket has room.
    ///
    /// - Returns: 0, or the negative errno of the record that ends there, if it asked for a verdict.
    func flush(through position: UInt32) -> Int32 {
        guard phase == .datagram else { return 0 &- (datagrams == nil ? Errno.eopnotsupp : Errno.eio) }
        _ = sendRecords(before: position)
        guard phase == .datagram else { return 0 &- Errno.eio }
        return 0 &- (datagrams?.takeVerdict(at: position) ?? 0)
    }

    /// Sends records before `position`, as far as the real socket has room, and at most as many as in a turn.
    ///
    /// - Returns: false if there are more.
    func sendRecords(before position: UInt32) -> Bool {
        guard phase == .datagram else { return true }
        var isDone = true
        guarded { () throws(RingViolation) in
            // No further than what stands in the ring now: a frontend that goes on to publish would not let it end.
            let asked = UInt32(max(0, Int32(bitPattern: position &- outRing.consumed)))
            let end = outRing.consumed &+ min(try outRing.waiting(), asked)
            var sent = 0
            while phase == .datagram, writable, Int32(bitPattern: end &- outRing.consumed) > 0 {
                let waiting = try outRing.waiting()
                guard waiting > 0 else { break }
                if sent == DatagramTraffic.budget {
                    isDone = false
                    break
                }
                try sendDatagram(waiting)
                sent += 1
            }
            if phase == .datagram, try !outRing.idle() { wantsTurn = true }
        }
        return isDone || phase != .datagram
    }

    // MARK: Requests

    /// connect(2): sets the peer, or with AF_UNSPEC takes it away. Nothing to wait for.
    func connectDatagrams(_ address: UnsafeRawBufferPointer) -> Int32 {
        let result = kernel.connect(network, address)
        guard result == 0 else { return result }
        let dissolves = address.count >= 2 && address.loadUnaligned(as: UInt16.self) == SocketAddress.unspecified
        status.setState(dissolves ? .open : .connected)
        return 0
    }

    /// shutdown(2), which has its effects on an unconnected socket too, beside ENOTCONN.
    func shutdownDatagrams(how: Int32) -> Int32 {
        let result = kernel.shutdown(network, how: how)
        guard result == 0 || result == 0 &- Errno.enotconn else { return result }
        if how != ShutdownHow.write, !endOfFile {
            endOfFile = true
            guarded { () throws(RingViolation) in
                if try inRing.publishEndOfFile() { sendToken() }
            }
            shutPlaceholder(ShutdownHow.write)
        }
        if how != ShutdownHow.read { shutPlaceholder(ShutdownHow.read) }
        return result
    }

    /// The program is gone: what it sent goes out.
    func hangUpDatagrams() {
        phase = .draining
        lastProgress = kernel.now()
        guarded { () throws(RingViolation) in
            // What a copy of the ring publishes from here on is not sent.
            drainEnd = outRing.consumed &+ (try outRing.waiting())
            try sendDatagrams()
        }
    }
}

/// MSG_ values as they stand in records.
enum MessageFlag {
    /// MSG_TRUNC, MSG_CTRUNC, MSG_ERRQUEUE.
    static let reported: UInt32 = 0x2028
    /// MSG_DONTROUTE, MSG_EOR, MSG_CONFIRM, MSG_MORE.
    static let sendable: UInt32 = 0x8884
    static let errorQueue: Int32 = 0x2000
}
