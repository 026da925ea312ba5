import CXenSockSystem
import XenSockPlatform
import XenSockRing
import XenSockWire

/// How a socket comes to be: a port, a placeholder, a request that names both.
enum Birth {
    /// Makes a placeholder and a socket behind it.
    ///
    /// - Parameters:
    ///   - flags: SOCK_CLOEXEC and SOCK_NONBLOCK.
    ///   - order: of the ring to have ready, where rings are granted one by one.
    ///   - request: asks the service for the socket (SOCKET, ACCEPT) and returns its answer; runs with signals blocked.
    /// - Returns: the program's descriptor, or a negative errno.
    static func open(
        flags: Int32, order: UInt32 = GrantedRings.streamOrder,
        _ request: (UnsafeMutablePointer<SessionState>, UInt64, UInt32, SocketID) -> Response
    ) -> Int {
        guard let state = Session.opened() else { return -Int(ENETDOWN) }
        let life = Session.life(state)
        let result = attempt(state, flags: flags, order: order, request)
        // The service may have been restarted since the last request, which only this one noticed.
        if result != -Int(ENETDOWN) || Session.life(state) != nil { return result }
        // One that does not answer would hardly do so the second time.
        if let life, SharedWord32(&state.pointee.silent).load() == life { return result }
        return Session.opened() == nil ? result : attempt(state, flags: flags, order: order, request)
    }

    private static func attempt(
        _ state: UnsafeMutablePointer<SessionState>, flags: Int32, order: UInt32,
        _ request: (UnsafeMutablePointer<SessionState>, UInt64, UInt32, SocketID) -> Response
    ) -> Int {
        // From the first descriptor on: a handler may leave the call for good, and its descriptors with it.
        let mask = Kernel.blockSignals()
        defer { Kernel.restoreSignals(mask) }
        let hasSpare = DescriptorLimit.spare >= 0
        let pair = DescriptorLimit.placeholder(type: Int32(SOCK_STREAM.rawValue) | flags)
        defer { if hasSpare { DescriptorLimit.keepSpare() } }
        if pair.result < 0 { return pair.result }
        Session.lock(state)
        // What follows is meant for this session, not for one that another thread opens when this one dies.
        let life = Session.life(state)
        let (mapped, arena) = (state.pointee.base, Int(state.pointee.arena))
        let taken = life == nil ? nil : Ports.take(state)
        Session.unlock(state)
        guard let life, let base = mapped else {
            discard(pair.first, pair.second)
            return -Int(ENETDOWN)
        }
        guard let (port, generation) = taken else {
            discard(pair.first, pair.second)
            return -Int(EMFILE)
        }
        if state.pointee.isGranted != 0 {
            let mapped = GrantedRings.map(state, mask, life, port, order: order)
            guard mapped == 0 else {
                discard(pair.first, pair.second)
                abandon(state, port, bound: false)
                return mapped
            }
        }
        let status = SocketStatus(line: base + Arena.statusOffset(port: port))
        let nonBlocking = flags & Int32(SOCK_NONBLOCK.rawValue) != 0
        // Who watches placeholders itself wants their ends too.
        let wanted = xs_get_process_state().pointee.wants_ends != 0 ? StatusLine.Flag.endWanted : 0
        status.clear(flags: nonBlocking ? StatusLine.Flag.nonBlocking | wanted : wanted)
        let indexes = base + Arena.offset(of: Arena.indexesPage(forPort: port, ports: state.pointee.ports))
        let entry = TableEntry(arena: arena, generation: generation, port: port)
        let bound: Int
        if state.pointee.dialect == 0 {
            IndexesPageWriter(indexes).clear()
            bound = Commands.bindPort(state, mask, port, pair.second, pair.first)
        } else {
            V1Names(page: indexes).clear()
            status.word(StatusLine.accepted).store(0)
            bound = Commands.bindPort(state, mask, port, pair.second, pair.first, entry.id)
        }
        _ = Kernel.close(pair.second)
        if bound < 0 {
            _ = Kernel.close(pair.first)
            abandon(state, port, bound: false)
            return bound
        }
        let response = request(state, mask, port, entry.id)
        // Who inherits it may look what it is before the service has.
        if status.has(StatusLine.Flag.unanswered) { LocalDomain.narrow(pair.first) }
        if !Session.isAlive(state, life) {
            _ = Kernel.close(pair.first)
            return -Int(ENETDOWN)
        }
        if response.ret != 0 {
            _ = Kernel.close(pair.first)
            abandon(state, port, bound: true)
            return Int(response.ret)
        }
        Descriptors.set(pair.first, entry)
        return Int(pair.first)
    }

    private static func abandon(_ state: UnsafeMutablePointer<SessionState>, _ port: UInt32, bound: Bool) {
        Session.lock(state)
        Ports.abandon(state, port, bound: bound)
        Session.unlock(state)
    }

    private static func discard(_ first: Int32, _ second: Int32) {
        _ = Kernel.close(first)
        _ = Kernel.close(second)
    }
}

/// Writes what the frontend owes the backend in an indexes page.
struct IndexesPageWriter {
    private let page: UnsafeMutableRawPointer

    init(_ page: UnsafeMutableRawPointer) { self.page = page }

    /// Zeroes the index words, for a socket that begins.
    func clear() {
        KnownNames.forget(page)
        IndexWord(page + InProducer.offset).store(.init(rawValue: 0))
        IndexWord(page + InConsumer.offset).store(.init(rawValue: 0))
        IndexWord(page + OutProducer.offset).store(.init(rawValue: 0))
        IndexWord(page + OutConsumer.offset).store(.init(rawValue: 0))
    }

    /// Names the ring's pages: those that follow the indexes page.
    func writeRing(order: UInt32, indexesPage: GrantReference) {
        SharedWord32(page + IndexesPage.ringOrder).store(order)
        for index in 0..<(UInt32(1) << order) {
            SharedWord32(page + DataRingLayout.referenceOffset(page: Int(index)))
                .store(indexesPage.rawValue &+ 1 &+ index)
        }
    }
}
