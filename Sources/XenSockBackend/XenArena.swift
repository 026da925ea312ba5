import XenSockRing
import XenSockWire
import XenSockXen

/// What a guest granted for one session (docs/PROTOCOL.md, 3.7): the control region, which is an arena's memory, the dock
/// region, the event channels of both, and the pages of the ports that have a socket.
///
/// Everything that stands there is the guest's word: numbers of ports and references are private copies.
final class XenArena {
    unowned let device: any XenDeviceServices
    let ports: UInt32
    /// The session's event channel, bound here.
    let channel: UInt32
    /// The program's, by which it signals, if that is another; bound here.
    private let programChannel: UInt32?
    private let control: GrantMapping
    private let dock: GrantMapping
    private let bell: DoorbellFront
    private var sockets: [XenPort?]
    /// The numbers of those that are there.
    private(set) var live: Set<UInt32> = []
    /// Of each port that has had a socket, what is mapped.
    private var pages: [UInt32: XenPages] = [:]
    /// What waited for looks at ports that were released.
    private var unanswered: [() -> Void] = []
    /// The guest's end of the device is gone: nothing is mapped any more.
    private(set) var isSevered = false
    /// The device closes: the guest finds its memory as it is now, and learns the rest from the device's state.
    var isClosing = false

    /// - Parameters:
    ///   - control: pages 0 to 7 + N/32 of the arena; taken over.
    ///   - dock: taken over.
    ///   - channel: bound to the guest's port; taken over.
    ///   - programChannel: likewise, or nil.
    init(
        device: any XenDeviceServices, ports: UInt32, control: GrantMapping, dock: GrantMapping, channel: UInt32,
        programChannel: UInt32?
    ) {
        self.device = device
        self.ports = ports
        self.control = control
        self.dock = dock
        self.channel = channel
        self.programChannel = programChannel
        bell = DoorbellFront(arena: dock.base)
        sockets = [XenPort?](repeating: nil, count: Int(ports))
    }

    /// The arena's first byte.
    var base: UnsafeMutableRawPointer { control.base }

    /// Tells the agent to look at a placeholder line, or with port 0 the program at its command ring. An agent that is
    /// awake costs no hypercall.
    func ring(_ port: UInt32) {
        guard !isSevered, !isClosing else { return }
        if bell.ring(port) { device.notify(channel) }
    }

    /// - Precondition: `port` is below `ports`.
    func port(_ port: UInt32) -> XenPort? { sockets[Int(port)] }

    /// Takes the pair that the agent has for a port.
    ///
    /// - Returns: nil if it has none.
    func takePair(of port: UInt32) -> XenPort? {
        guard !isSevered, port < ports, sockets[Int(port)] == nil else { return nil }
        let line = dock.base + DockRegion.line(port: port)
        // A line whose pair was given back says 8 until the agent begins it anew.
        guard SharedWord32(line + PlaceholderLine.bound).load() == 1,
            SharedWord32(line + PlaceholderLine.ends).load() & PlaceholderLine.End.closed == 0
        else { return nil }
        let taken = XenPort(arena: self, number: port, line: line)
        sockets[Int(port)] = taken
        live.insert(port)
        return taken
    }

    /// Gives the pages of a port up and tells the agent that the pair is not needed any more. The caller bumps the port's
    /// generation after this: a pair that comes for the port's next socket must not find the old one's end.
    ///
    /// - Parameter isLast: the port will have no other socket.
    func release(_ port: UInt32, isLast: Bool) {
        guard let released = sockets[Int(port)] else { return }
        sockets[Int(port)] = nil
        live.remove(port)
        unanswered += released.takeWaits()
        released.release()
        if isLast { pages.removeValue(forKey: port)?.unmap() }
        if !isClosing { released.setClosed() }
    }

    /// The pages of a port.
    func pages(of port: UInt32) -> XenPages {
        if let known = pages[port] { return known }
        let new = XenPages(device: device)
        pages[port] = new
        return new
    }

    /// What waited for looks at a port that has no placeholder any more.
    func takeWaits(of port: UInt32) -> [() -> Void] {
        defer { unanswered = [] }
        return unanswered + (sockets[Int(port)]?.takeWaits() ?? [])
    }

    /// Unmaps everything and unbinds the channel. No socket of the arena touches its memory any more.
    func sever() {
        guard !isSevered else { return }
        isSevered = true
        for port in live {
            sockets[Int(port)]?.release()
            sockets[Int(port)] = nil
        }
        live = []
        for mapped in pages.values { mapped.unmap() }
        pages = [:]
        control.unmap()
        dock.unmap()
        device.unbind(channel)
        if let programChannel { device.unbind(programChannel) }
    }
}
