import CXenSockSystem
import XenSockPlatform
import XenSockRing
import XenSockWire

/// Requests whose answer is known, or not needed, before it comes (docs/PROTOCOL.md, 2.3, posted requests): nobody waits.
/// Whoever next takes answers from the ring takes theirs too.
enum Posting {
    /// Bits of a session's `posting`: what the service's HELLO said.
    enum Promise {
        static let order: UInt32 = 1
        static let options: UInt32 = 2
    }

    /// Of the ring's 32 slots at most these are left to requests in flight when one is posted; the others can be waited for.
    private static var most: UInt32 { 16 }

    /// The word at 4 of a posted request's record: its port, for a SOCKET; this bit for an option of `KnownOptions`; else 0.
    private static var isOption: UInt32 { 1 << 31 }

    /// Sends a request without waiting for its answer. Signals are blocked.
    ///
    /// - Parameters:
    ///   - input: bytes for the argument slot.
    ///   - note: the word at 4 of the record.
    /// - Returns: false if it was not sent: it is to be waited for.
    private static func post(
        _ state: UnsafeMutablePointer<SessionState>, _ mask: UInt64, _ request: Request, input: UInt64 = 0, note: UInt32
    ) -> Bool {
        guard let life = Session.life(state), state.pointee.posting & Promise.order != 0 else { return false }
        let isSocket = note > 0 && note & isOption == 0
        // One SOCKET at a time: if it fails the next, or the one behind that, is told itself.
        if state.pointee.ring.inFlight >= most || isSocket && state.pointee.unansweredSockets > 0 {
            guard let taken = Commands.takeResponses(state, life) else {
                Session.markDead(state, life)
                return false
            }
            if taken { Session.advance(state) }
        }
        guard let (slot, _) = Commands.reserve(state, mask) else { return false }
        guard state.pointee.ring.inFlight < most, !isSocket || state.pointee.unansweredSockets == 0,
            // Another thread may have opened another session, whose ports are others.
            TableEntry(rawValue: request.id.rawValue).arena == Int(state.pointee.arena),
            let base = state.pointee.base,
            let domain = Commands.ownDomain(state),
            let argument = ArgumentArea(base: base + Arena.argumentsOffset).slot(slot)
        else {
            Session.unlock(state)
            return false
        }
        argument.storeBytes(of: input, as: UInt64.self)
        do throws(WireError) {
            try Commands.encode(request, slot, state)
        } catch {
            Session.unlock(state)
            return false
        }
        let record = Session.exchange(state, slot)
        SharedWord32(record + 4).store(note)
        SharedWord32(record).storeOrdered(Commands.Progress.posted)
        if isSocket { state.pointee.unansweredSockets &+= 1 }
        let mustNotify = state.pointee.ring.push()
        Session.unlock(state)
        if mustNotify { domain.notify(Arena.commandRingPort) }
        return true
    }

    /// A posted request was answered. The session's lock is held.
    static func answered(_ state: UnsafeMutablePointer<SessionState>, note: UInt32, _ response: Response) {
        if note & isOption != 0 {
            if response.ret != 0 { state.pointee.knownOptions = KnownOptions() }
            return
        }
        guard note > 0, note < state.pointee.ports, let base = state.pointee.base else { return }
        state.pointee.unansweredSockets &-= 1
        if response.ret == 0 {
            SocketStatus(line: base + Arena.statusOffset(port: note)).set(StatusLine.Flag.unanswered, false)
        } else {
            // close(2) gives the port back; the next socket(2) is told itself.
            state.pointee.knownSockets = 0
        }
    }

    // MARK: SOCKET

    /// The resolver's, of which nothing can fail but for want of descriptors, and whose next request is waited for.
    static var knownAtFirst: UInt32 { 1 << 31 }

    /// A bit for a kind of socket that is posted once it is known that there are such; nil for others.
    private static func kind(_ domain: UInt32, _ type: UInt32, _ number: UInt32) -> UInt32? {
        guard type == UInt32(SOCK_STREAM.rawValue) else { return nil }
        if domain == Resolver.domain { return knownAtFirst }
        guard domain == UInt32(AF_INET) || domain == UInt32(AF_INET6), number == 0 || number == UInt32(IPPROTO_TCP)
        else { return nil }
        return 1 &<< ((domain == UInt32(AF_INET) ? 0 : 1) &+ (number == 0 ? 0 : 2))
    }

    /// SOCKET: posted if such a one has succeeded in this session, else waited for. For `Birth.open`.
    static func socket(
        _ state: UnsafeMutablePointer<SessionState>, _ mask: UInt64, _ port: UInt32, _ id: SocketID, domain: UInt32,
        type: UInt32, protocol number: UInt32
    ) -> Response {
        let kind = state.pointee.dialect == 0 ? kind(domain, type, number) : nil
        func request(_ type: UInt32) -> Request {
            .socket(
                id: id, domain: domain, type: type, protocol: number, eventChannel: EventChannelPort(port),
                indexesPage: Session.indexesReference(state, port))
        }
        let own = TableEntry(rawValue: id.rawValue).arena
        let status = ProcessState.region.map {
            SocketStatus(line: ProcessState.arena($0, own).base + Arena.statusOffset(port: port))
        }
        if let status, kind != nil, domain != Resolver.domain { status.set(StatusLine.Flag.plainTCP, true) }
        if let kind, state.pointee.knownSockets & kind != 0, let status, own == Int(state.pointee.arena) {
            status.begin(domain: domain, type: type)
            status.set(StatusLine.Flag.unanswered, true)
            if post(state, mask, request(type | SocketRequest.posted), note: port) {
                return Response(requestID: 0, command: 0, ret: 0, id: id)
            }
            status.set(StatusLine.Flag.unanswered, false)
        }
        let response = Commands.exchangeBlocked(state, mask, request(type))
        if response.ret == 0, let kind {
            Session.lock(state)
            state.pointee.knownSockets |= kind
            Session.unlock(state)
        }
        return response
    }

    // MARK: SETSOCKOPT

    /// setsockopt(2) of an option that cannot fail, or that did not in this session, is not waited for.
    ///
    /// - Parameter value: readable, of `length` bytes.
    /// - Returns: false if it is to be waited for.
    static func setOption(
        _ handle: SocketHandle, level: Int32, name: Int32, _ value: UnsafeRawPointer, length: UInt32
    ) -> Bool {
        guard let (option, word, size) = option(handle, level, name, value, length), let state = Session.opened()
        else { return false }
        let isSafe = state.pointee.posting & Promise.options != 0 || state.pointee.knownOptions.has(option)
        // Only what is the first session's own may be posted, and nothing that would wait for its place in the stream.
        guard isSafe, handle.entry.arena == Int(state.pointee.arena), isDrained(handle) else { return false }
        let mask = Kernel.blockSignals()
        defer { Kernel.restoreSignals(mask) }
        return post(
            state, mask,
            .setsockopt(
                id: handle.entry.id, level: level, name: name, length: size,
                outProducer: handle.socket.output.produced),
            input: word, note: isOption)
    }

    /// SO_LINGER of no time, which the close that follows finds, ahead of the bytes from `position` on.
    ///
    /// - Returns: false if it is to be waited for.
    static func abort(_ handle: SocketHandle, at position: UInt32) -> Bool {
        guard let state = Session.state, handle.entry.arena == Int(state.pointee.arena) else { return false }
        let mask = Kernel.blockSignals()
        defer { Kernel.restoreSignals(mask) }
        return post(
            state, mask,
            .setsockopt(
                id: handle.entry.id, level: Int32(SOL_SOCKET), name: Int32(SO_LINGER), length: 8,
                outProducer: position),
            input: 1, note: 0)
    }

    /// An option that was waited for succeeded.
    static func succeeded(
        _ handle: SocketHandle, level: Int32, name: Int32, _ value: UnsafeRawPointer, length: UInt32
    ) {
        guard let (option, _, _) = option(handle, level, name, value, length), let state = Session.state,
            handle.entry.arena == Int(state.pointee.arena)
        else { return }
        let mask = Kernel.blockSignals()
        Session.lock(state)
        state.pointee.knownOptions.add(option)
        Session.unlock(state)
        Kernel.restoreSignals(mask)
    }

    private static func isDrained(_ handle: SocketHandle) -> Bool {
        switch handle.status.state {
        case .open: true
        case .connected: handle.socket.output.consumerValue().index == handle.socket.output.produced
        default: false
        }
    }

    /// An option of TCP sockets with a value that Linux does not refuse, whatever the socket's state.
    ///
    /// - Returns: what identifies it with its value; the value, and how many bytes of it count.
    private static func option(
        _ handle: SocketHandle, _ level: Int32, _ name: Int32, _ value: UnsafeRawPointer, _ length: UInt32
    ) -> (option: UInt64, word: UInt64, size: UInt32)? {
        guard length >= 4, !handle.isDatagram, !handle.isUnix, !handle.isV1, !handle.isRelayed else { return nil }
        let number = value.loadUnaligned(as: Int32.self)
        // Other protocols refuse some of TCP's.
        if level == Int32(IPPROTO_TCP), !handle.status.has(StatusLine.Flag.plainTCP) { return nil }
        let index: UInt64
        var word = UInt64(UInt32(bitPattern: number))
        var size: UInt32 = 4
        switch (level, name) {
        case (Int32(SOL_SOCKET), Int32(SO_KEEPALIVE)): index = 1
        case (Int32(SOL_SOCKET), Int32(SO_LINGER)) where length >= 8:
            index = 2
            word |= UInt64(value.loadUnaligned(fromByteOffset: 4, as: UInt32.self)) << 32
            size = 8
            // What close(2) waits for is asked back.
            if number != 0, word >> 32 != 0 { return nil }
        case (Int32(IPPROTO_TCP), 1 /* TCP_NODELAY */): index = 3
        case (Int32(IPPROTO_TCP), 4 /* TCP_KEEPIDLE */) where number >= 1 && number <= 32767: index = 4
        case (Int32(IPPROTO_TCP), 5 /* TCP_KEEPINTVL */) where number >= 1 && number <= 32767: index = 5
        case (Int32(IPPROTO_TCP), 6 /* TCP_KEEPCNT */) where number >= 1 && number <= 127: index = 6
        case (Int32(IPPROTO_TCP), 12 /* TCP_QUICKACK */): index = 7
        default: return nil
        }
        return (index << 56 | word, word, size)
    }
}

/// Options and their values that the service has set for this session without an error.
struct KnownOptions {
    private var entries = InlineArray<8, UInt64>(repeating: 0)
    private var next: UInt32 = 0

    func has(_ option: UInt64) -> Bool {
        for index in 0..<8 where entries[index] == option { return true }
        return false
    }

    /// Remembers one, in the place of the oldest.
    mutating func add(_ option: UInt64) {
        if has(option) { return }
        entries[Int(next & 7)] = option
        next &+= 1
    }
}
