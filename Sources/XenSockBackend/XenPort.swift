import XenSockRing
import XenSockWire
import XenSockXen

/// One socket's place in a guest's arena: the pages that its ring is mapped from, and the placeholder, whose other end the
/// agent holds (docs/PROTOCOL.md, 3.7, placeholder line).
///
/// The counts that the backend writes are kept here and never read back.
final class XenPort {
    let number: UInt32
    private unowned let arena: XenArena
    private let line: UnsafeMutableRawPointer

    // The placeholder.
    private var tokens: UInt32 = 0
    private var fillers: UInt32 = 0
    private var purges: UInt32 = 0
    private(set) var ends: UInt32 = 0
    private var looks: UInt32 = 0
    private var urgent: UInt32 = 0
    /// How often the agent was asked for something.
    private(set) var wishes: UInt64 = 0
    private var waits = LookWaits()

    // The pages.
    private let pages: XenPages
    /// While this socket has it.
    private var indexes: UnsafeMutableRawPointer?
    private var ring: XenPages.Ring?
    /// The ring is mapped and nobody has asked for it yet.
    private var isRingNew = false
    /// Why the last ring could not be mapped, positive.
    private(set) var mappingError = Errno.einval

    init(arena: XenArena, number: UInt32, line: UnsafeMutableRawPointer) {
        self.arena = arena
        self.number = number
        self.line = line
        pages = arena.pages(of: number)
    }

    private func word(_ offset: Int) -> SharedWord32 { SharedWord32(line + offset) }

    private func tell(_ offset: Int, _ value: UInt32) {
        guard !arena.isSevered else { return }
        wishes &+= 1
        word(offset).storeOrdered(value)
        arena.ring(number)
    }

    private func read(_ offset: Int) -> UInt32 { arena.isSevered ? 0 : word(offset).loadOrdered() }
}

// MARK: The placeholder

extension XenPort {
    /// The agent sends one byte.
    func sendToken() -> Int {
        tokens &+= 1
        tell(PlaceholderLine.tokens, tokens)
        return 1
    }

    /// The agent receives one filler: it owes that, so there is none to wait for.
    func receiveFiller() -> Int {
        fillers &+= 1
        tell(PlaceholderLine.fillers, fillers)
        return 256
    }

    /// The agent receives all fillers that are there.
    func purgeFillers() {
        purges &+= 1
        tell(PlaceholderLine.purges, purges)
    }

    func sendUrgent() -> Int {
        urgent &+= 1
        tell(PlaceholderLine.urgent, urgent)
        return 1
    }

    func shutdown(how: Int32) {
        var added: UInt32 = 0
        if how != ShutdownHow.read { added |= PlaceholderLine.End.write }
        if how != ShutdownHow.write { added |= PlaceholderLine.End.read }
        set(ends: ends | added)
    }

    func watchFillers(_ wanted: Bool) {
        let flag = PlaceholderLine.End.watchFillers
        set(ends: wanted ? ends | flag : ends & ~flag)
    }

    /// The placeholder carries the stream's own bytes from here on.
    func startRelay() { set(ends: ends & ~PlaceholderLine.End.watchFillers | PlaceholderLine.End.relay) }

    /// The agent forgets the pair.
    func setClosed() { set(ends: PlaceholderLine.End.closed) }

    private func set(ends new: UInt32) {
        guard new != ends else { return }
        ends = new
        tell(PlaceholderLine.ends, ends)
    }

    /// Whether the last copy of the program's end is closed.
    var isHungUp: Bool { [PlaceholderLine.Hangup.closed, PlaceholderLine.Hangup.reset].contains(hangup) }

    /// `PlaceholderLine.Hangup`, or 0.
    var hangup: UInt32 { read(PlaceholderLine.hangup) }

    /// Where the agent found the end of what the program of a relayed socket had written, when it looked last.
    var written: UInt32 { read(PlaceholderLine.written) }

    /// Whether that program writes no more.
    var isEnded: Bool { read(PlaceholderLine.ended) == 1 }

    /// Whether a filler waits that was not asked for.
    var hasFiller: Bool { read(PlaceholderLine.filler) == 1 }

    /// What epoll would say of the placeholder.
    var events: UInt32 {
        if isHungUp { return EpollEvents.error | EpollEvents.hangup }
        return ends & PlaceholderLine.End.watchFillers != 0 && hasFiller ? EpollEvents.input : 0
    }

    /// Asks the agent to look whether the program's end is closed; it has sent all tokens then, and purged. `then` is called
    /// by whoever calls what `takeAnswered` or `takeWaits` returns.
    ///
    /// - Parameter isNeeded: whether `then` would still do anything.
    func look(isNeeded: @escaping () -> Bool = { true }, _ then: @escaping () -> Void) {
        looks &+= 1
        waits.append(looks, isNeeded: isNeeded, then)
        tell(PlaceholderLine.looks, looks)
    }

    /// What waited for looks that were answered. To be called before `events` is read: the agent writes those first.
    func takeAnswered() -> [() -> Void] {
        waits.count == 0 ? [] : waits.takeAnswered(read(PlaceholderLine.looked), of: looks)
    }

    /// What waits for looks, of those that ended meanwhile only a few.
    var waiting: Int { waits.count }

    /// What waited for looks that nobody needs any more.
    func takeWaits() -> [() -> Void] { waits.takeAll() }
}

// MARK: Pages

extension XenPort {
    /// The grant reference of the indexes page; 0 if there is none.
    var reference: UInt32 { indexes == nil ? 0 : pages.reference }

    /// Maps the indexes page, once.
    func mapIndexes(_ reference: UInt32) -> Result<UnsafeMutableRawPointer, WireError> {
        if let indexes {
            return self.reference == reference ? .success(indexes) : .failure(WireError(Errno.einval))
        }
        do throws(XenError) {
            let page = try pages.takeIndexes(reference)
            indexes = page
            return .success(page)
        } catch {
            arena.device.log.debug("an indexes page cannot be mapped: \(error)")
            return .failure(WireError(error.answer))
        }
    }

    /// Maps the data ring that the indexes page lists: order and references are read once, here. One that was mapped ahead
    /// is taken as it is.
    ///
    /// - Returns: nil, and `mappingError` says why.
    func takeRing() -> (base: UnsafeMutableRawPointer, layout: DataRingLayout)? {
        if ring == nil { mapRing() }
        isRingNew = false
        guard let ring else { return nil }
        return (ring.mapping.base, ring.layout)
    }

    /// Maps the data ring for the `takeRing` that follows.
    ///
    /// - Returns: 0 or a negative errno.
    func prepareRing() -> Int32 {
        if ring == nil { mapRing() }
        isRingNew = ring != nil
        return ring == nil ? 0 &- mappingError : 0
    }

    private func mapRing() {
        mappingError = Errno.einval
        guard let page = indexes else { return }
        let order = SharedWord32(page + IndexesPage.ringOrder).load()
        guard order <= min(Arena.maximumOrder, arena.device.maximumPageOrder), let layout = DataRingLayout(order: order)
        else { return }
        let references = (0..<layout.pages).map {
            SharedWord32(page + DataRingLayout.referenceOffset(page: $0)).load()
        }
        do throws(XenError) {
            ring = try pages.takeRing(references, layout)
        } catch {
            arena.device.log.debug("a data ring cannot be mapped: \(error)")
            mappingError = error.answer
        }
    }

    /// Gives the ring up, unless it was mapped ahead for the next use.
    func releaseRing() {
        guard !isRingNew, ring != nil else { return }
        ring = nil
        pages.releaseRing()
    }

    /// Gives all pages up: another socket of the port may have them.
    func release() {
        isRingNew = false
        ring = nil
        if indexes != nil { pages.release() }
        indexes = nil
        waits = LookWaits()
    }
}

extension XenError {
    /// What a guest is told: that there is no room, or that it named what is not there.
    var answer: Int32 {
        switch errno {
        case Errno.enomem, Errno.enospc, Errno.enobufs, Errno.emfile, Errno.enfile, Errno.eagain: Errno.enomem
        default: Errno.einval
        }
    }
}
