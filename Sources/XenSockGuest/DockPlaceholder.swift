import CXenSockSystem
import Glibc
import XenSockPlatform
import XenSockRing
import XenSockWire

/// The agent's end of one placeholder, which does what the backend writes to the port's line (docs/PROTOCOL.md, 3.7).
///
/// What stands in the line is read once and bounded: whatever the backend writes, it harms this socket only.
final class DockPlaceholder {
    let port: UInt32
    /// SO_COOKIE of the program's end.
    let cookie: UInt64
    /// What the poller names it by.
    let number: UInt64
    /// -1 when the program's end was closed, or the backend has no more need of it. Owned.
    private(set) var descriptor: Int32
    private let line: UnsafeMutableRawPointer
    private let poller: Poller

    // What was done of each count.
    private var tokens: UInt32 = 0
    private var fillers: UInt32 = 0
    private var purges: UInt32 = 0
    private var looks: UInt32 = 0
    private var urgent: UInt32 = 0
    private var ends: UInt32 = 0
    /// Fillers that were asked for and have not come.
    private var debt: UInt32 = 0
    private var watchesInput = false
    private var saysFiller = false
    /// The backend has given the pair up: the port is free for the next.
    private(set) var isClosed = false
    /// The placeholder carries the stream's own bytes.
    private(set) var relay: DockRelay?
    /// Whose port it is.
    weak var session: DockSession?

    static let fillerSize = 256

    /// Zeroes the line, and says in it that there is a pair.
    ///
    /// - Parameters:
    ///   - descriptor: an end of a stream pair, taken over; watched under `number`.
    ///   - line: 64 bytes of the dock region. Not owned.
    init(
        port: UInt32, cookie: UInt64, number: UInt64, descriptor: Int32, line: UnsafeMutableRawPointer, poller: Poller
    ) {
        self.port = port
        self.cookie = cookie
        self.number = number
        self.descriptor = descriptor
        self.line = line
        self.poller = poller
        for offset in stride(from: 0, to: PlaceholderLine.size, by: 4) { SharedWord32(line + offset).store(0) }
        poller.add(descriptor, number, Self.events(input: false))
        word(PlaceholderLine.bound).storeOrdered(1)
    }

    deinit { close() }

    private func word(_ offset: Int) -> SharedWord32 { SharedWord32(line + offset) }

    private static func events(input: Bool) -> UInt32 {
        UInt32(XS_POLLRDHUP) | EPOLLET.rawValue | (input ? EPOLLIN.rawValue : 0)
    }

    /// Whether the program's last descriptor is closed, and the backend may not know yet what that means.
    var isHungUp: Bool { descriptor < 0 && !isClosed }

    /// Whether the backend is to find something that it may not have been told of.
    var needsLook: Bool { isHungUp || relay?.isFinishing == true }

    /// Closes this end as if the program's were closed.
    func abandon() { if descriptor >= 0 { hangUp() } }

    /// Does what the backend asks for since the last time.
    ///
    /// - Returns: whether the backend is to be told of something.
    func look() -> Bool {
        guard !isClosed else { return false }
        // Loaded first: the answer says that everything of before was done.
        let asked = word(PlaceholderLine.looks).loadOrdered()
        let wanted = word(PlaceholderLine.ends).loadOrdered()
        let count = word(PlaceholderLine.tokens).loadOrdered()
        // A token that was asked for behind it would be a byte of the stream.
        if relay == nil, word(PlaceholderLine.ends).loadOrdered() & PlaceholderLine.End.relay == 0 {
            sendTokens(to: count)
        }
        tokens = count
        sendUrgent(to: word(PlaceholderLine.urgent).loadOrdered())
        let filler = word(PlaceholderLine.fillers).loadOrdered()
        if relay == nil {
            debt = min(debt &+ min(filler &- fillers, PlaceholderLine.maximumFillers), PlaceholderLine.maximumFillers)
        }
        fillers = filler
        let purge = word(PlaceholderLine.purges).loadOrdered()
        if purge != purges { receiveAll() }
        purges = purge
        let wasRelayed = relay != nil
        shut(wanted)
        if isClosed { return false }
        if let relay, descriptor >= 0 { return look(relay, asked: asked, isNew: !wasRelayed) }
        var tells = watchFillers()
        if asked != looks {
            looks = asked
            lookForHangup()
            word(PlaceholderLine.looked).storeOrdered(asked)
            tells = true
        }
        return tells
    }

    /// As `look`, of a relayed one.
    private func look(_ relay: DockRelay, asked: UInt32, isNew: Bool) -> Bool {
        relay.rung()
        guard asked != looks else { return false }
        looks = asked
        // Where the end was shown before, the hang-up stands whatever the program does.
        if !isNew { relay.look(descriptor) }
        relay.measure(descriptor)
        settleRelay()
        word(PlaceholderLine.looked).storeOrdered(asked)
        return true
    }

    /// Moves a relayed stream's bytes.
    ///
    /// - Returns: whether the backend is to be told.
    func relayTurn() -> Bool {
        guard let relay, descriptor >= 0 else { return false }
        relay.turn(descriptor)
        return settleRelay()
    }

    /// - Returns: whether the relaying is over, which the line says then.
    @discardableResult
    private func settleRelay() -> Bool {
        guard let outcome = relay?.outcome, descriptor >= 0 else { return false }
        close()
        word(PlaceholderLine.hangup).storeOrdered(outcome)
        return true
    }

    private func startRelay(isShown: Bool) {
        relay = session?.relay(
            at: port, line: line, descriptor: descriptor, fillers: debt, isShown: isShown)
        debt = 0
        guard let relay else {
            close()
            return word(PlaceholderLine.hangup).storeOrdered(PlaceholderLine.Hangup.reset)
        }
        // Where both ends are shut the program's close is the next edge, and another watch would make one.
        if !relay.wasReset { poller.modify(descriptor, number, DockRelay.events) }
    }

    /// The backend is gone.
    func lose() {
        if descriptor >= 0 { relay?.lose(descriptor) }
        close()
    }

    private func sendTokens(to count: UInt32) {
        let new = min(count &- tokens, PlaceholderLine.maximumTokens)
        guard new > 0, descriptor >= 0 else { return }
        withUnsafeTemporaryAllocation(byteCount: Int(PlaceholderLine.maximumTokens), alignment: 1) { bytes in
            memset(bytes.baseAddress!, 1, bytes.count)
            _ = send(descriptor, bytes.baseAddress!, Int(new), Int32(MSG_DONTWAIT | MSG_NOSIGNAL))
        }
    }

    private func sendUrgent(to count: UInt32) {
        let isNew = count != urgent
        urgent = count
        guard isNew, descriptor >= 0 else { return }
        // A relayed program may receive it there.
        var byte: UInt8 = relay?.urgentByte ?? 0
        let flags = MSG_OOB | MSG_DONTWAIT | MSG_NOSIGNAL
        _ = send(descriptor, &byte, 1, Int32(flags))
    }

    private func shut(_ wanted: UInt32) {
        let new = wanted & ~ends
        let before = ends
        ends = wanted
        if wanted & PlaceholderLine.End.closed != 0 {
            isClosed = true
            return close()
        }
        guard descriptor >= 0 else { return }
        if new & PlaceholderLine.End.relay != 0, relay == nil {
            startRelay(isShown: before & PlaceholderLine.End.write != 0)
        }
        // The ring says the same at its place in the stream.
        guard relay == nil, descriptor >= 0 else { return }
        if new & PlaceholderLine.End.write != 0 { shutdown(descriptor, Int32(SHUT_WR)) }
        if new & PlaceholderLine.End.read != 0 { shutdown(descriptor, Int32(SHUT_RD)) }
    }

    // MARK: Fillers

    private func receiveFiller() -> Bool {
        guard descriptor >= 0 else { return false }
        return withUnsafeTemporaryAllocation(byteCount: Self.fillerSize, alignment: 1) { bytes in
            var vector = iovec(iov_base: bytes.baseAddress, iov_len: Self.fillerSize)
            return StrangeDescriptors.receive(descriptor, &vector, 1) > 0
        }
    }

    private func receiveAll() {
        if let relay { return relay.purge(descriptor) }
        debt = 0
        var count: UInt32 = 0
        while count < PlaceholderLine.maximumFillers, receiveFiller() { count += 1 }
    }

    /// Receives what is owed, watches for what is not there yet, says what nobody asked for.
    ///
    /// - Returns: whether the backend is to be told.
    private func watchFillers() -> Bool {
        while debt > 0, receiveFiller() { debt -= 1 }
        let isWatching = ends & PlaceholderLine.End.watchFillers != 0
        let wantsInput = descriptor >= 0 && (debt > 0 || isWatching)
        if wantsInput != watchesInput, descriptor >= 0 {
            watchesInput = wantsInput
            poller.modify(descriptor, number, Self.events(input: wantsInput))
        }
        let stands = isWatching && debt == 0 && hasInput
        guard stands != saysFiller else { return false }
        saysFiller = stands
        word(PlaceholderLine.filler).storeOrdered(stands ? 1 : 0)
        return stands
    }

    private var hasInput: Bool {
        guard descriptor >= 0 else { return false }
        var count: Int32 = 0
        return ioctl(descriptor, UInt(FIONREAD), &count) == 0 && count > 0
    }

    // MARK: The hang-up

    /// Something happened at the agent's end.
    ///
    /// - Returns: whether the backend is to be told.
    func event(_ events: UInt32) -> Bool {
        guard descriptor >= 0 else { return false }
        if let relay {
            relay.event(events)
            return settleRelay()
        }
        let tells = events & EPOLLIN.rawValue != 0 && watchFillers()
        guard isHangup(events) else { return tells }
        hangUp()
        return true
    }

    /// Looks now.
    private func lookForHangup() {
        guard descriptor >= 0 else { return }
        var entry = pollfd(fd: descriptor, events: Int16(XS_POLLRDHUP), revents: 0)
        guard poll(&entry, 1, 0) > 0, isHangup(UInt32(UInt16(bitPattern: entry.revents))) else { return }
        hangUp()
    }

    /// Whether the last copy of the program's end is closed.
    ///
    /// A read-shut alone is not that. Once this end is shut, HUP stands whatever the program does; but then a byte is
    /// left in the placeholder, which keeps the queue not empty while the program's end lives, and whose loss at the
    /// close shows as ERR.
    private func isHangup(_ events: UInt32) -> Bool {
        if events & EPOLLERR.rawValue != 0 { return true }
        guard events & EPOLLHUP.rawValue != 0 else { return false }
        guard ends & (PlaceholderLine.End.write | PlaceholderLine.End.read) != 0 else { return true }
        var unread: Int32 = 0
        return ioctl(descriptor, UInt(TIOCOUTQ), &unread) < 0 || unread == 0
    }

    private func hangUp() {
        close()
        word(PlaceholderLine.hangup).storeOrdered(1)
    }

    /// Closes this end. The program's shows HUP, if it is still open.
    func close() {
        guard descriptor >= 0 else { return }
        // The program may have kept a copy, which would keep the watch alive.
        poller.remove(descriptor)
        StrangeDescriptors.closeStream(descriptor)
        descriptor = -1
        // The pages may be the next socket's before this object goes.
        relay = nil
    }
}
