import CXenSockSystem
import Glibc
import XenSockRing
import XenSockWire
import XenSockXen

/// One session on the device: a program's, or the agent's own (docs/PROTOCOL.md, 3.7).
final class DockSession {
    /// The agent's name of it.
    let id: UInt64
    /// The session socket; -1 when the session is over. Owned.
    var descriptor: Int32
    /// Who opened it, in this guest.
    let process: Int32
    let user: UInt32
    /// The agent's own frontend, whose sockets are nobody else's.
    let isOwn: Bool
    /// Whose share it uses; nil: no share applies.
    let account: UInt32?
    /// To learn of the process's end although others hold its socket; -1: the hang-up tells. Owned.
    var processDescriptor: Int32 = -1
    var phase = Phase.fresh
    /// Until when HELLO must be said, or SESSION answered.
    var deadline = UInt64.max
    /// The session's process is gone; its socket takes DOOR still.
    var isDoor = false

    enum Phase {
        /// HELLO was not said.
        case fresh
        /// SESSION is not answered.
        case opening
        case open
        /// END is to be sent, or is not answered.
        case ending
        /// END was answered: it stays while there are pairs.
        case ended
    }

    // From HELLO on.
    var memory: Memory?
    /// The arena's number; stays when the memory is gone, since descendants may know it.
    var arena: UInt64 = 0
    /// The backend's number of it, from SESSION's answer on.
    var number: UInt32 = 0
    /// What the backend's answer to SESSION said it can (docs/PROTOCOL.md 3.7).
    var features: UInt32 = 0
    var isAwake = false
    var placeholders: [UInt32: DockPlaceholder] = [:]
    /// The pages of each port that ever had a socket.
    var rings: [UInt32: GrantAllocation] = [:]
    /// Arenas of sockets that this session attached, beside its own.
    var attached: Set<UInt64> = []
    /// Arenas that it may attach sockets of, because it came through the door of one that could.
    var inherited: Set<UInt64> = []
    var unansweredEnds = 0
    /// Unanswered ATTACH frames.
    var attaching = 0
    /// Another user who was given descriptors of the session's pages, and may keep them.
    var holder: UInt32?

    init(id: UInt64, descriptor: Int32, process: Int32, user: UInt32, isOwn: Bool, account: UInt32?) {
        self.id = id
        self.descriptor = descriptor
        self.process = process
        self.user = user
        self.isOwn = isOwn
        self.account = account
    }

    /// What was granted for the session, and its event channels.
    final class Memory {
        let ports: UInt32
        let arenaID: UInt64
        let control: GrantAllocation
        let dock: GrantAllocation
        /// The agent's own, which no program ever has.
        let channels: any EventChannels
        /// The session's event channel. Unbound, for the backend to bind.
        let channel: UInt32
        /// What the program signals the backend by, if that is not the same.
        let bell: DockBell?
        /// The descriptor that the program signals by: an event channel's, or an eventfd where there is no device.
        let doorbell: Int32
        let back: DoorbellBack
        private let ownsDoorbell: Bool

        /// - Throws: if a channel cannot be made, or not be fenced.
        init(
            ports: UInt32, arenaID: UInt64, control: GrantAllocation, dock: GrantAllocation, platform: XenPlatform,
            backend: DomainID, isOwn: Bool
        ) throws(XenError) {
            self.ports = ports
            self.arenaID = arenaID
            self.control = control
            self.dock = dock
            channels = try platform.channels()
            channel = try channels.bindUnbound(for: backend)
            let isDevice = FrameSocket.isDevice(channels.descriptor)
            bell = isDevice && !isOwn ? try DockBell(try platform.channels(), for: backend) : nil
            doorbell = isDevice ? bell?.channels.descriptor ?? channels.descriptor : eventDescriptor()
            ownsDoorbell = !isDevice
            back = DoorbellBack(arena: dock.base, ports: ports)
            let header = control.base
            header.storeBytes(of: ArenaHeader.magicValue, toByteOffset: ArenaHeader.magic, as: UInt64.self)
            store(header, ArenaHeader.layoutVersion, ArenaHeader.currentLayoutVersion)
            store(header, ArenaHeader.ports, ports)
            header.storeBytes(of: arenaID, toByteOffset: ArenaHeader.arenaID, as: UInt64.self)
            store(header, ArenaHeader.firstGrantablePage, Arena.firstGrantablePage(ports: ports))
            store(header, ArenaHeader.totalPages, Arena.pageCount(ports: ports))
            store(header, ArenaHeader.eventChannel, isDevice ? 1 &+ (bell?.port ?? channel) : 0)
            store(dock.base, DockRegion.ports, ports)
            store(dock.base, DockRegion.controlPages, UInt32(control.pages))
            store(dock.base, DockRegion.dockPages, UInt32(dock.pages))
            for (index, reference) in (dock.references + control.references).enumerated() {
                store(dock.base, DockRegion.references + 4 * index, reference)
            }
        }

        deinit { if ownsDoorbell, doorbell >= 0 { close(doorbell) } }

        private func store(_ page: UnsafeMutableRawPointer, _ offset: Int, _ value: UInt32) {
            page.storeBytes(of: value, toByteOffset: offset, as: UInt32.self)
        }

        /// The doorbell has to be handed on: it is no event channel.
        var isRelayed: Bool { ownsDoorbell }

        func line(_ port: UInt32) -> UnsafeMutableRawPointer { dock.base + DockRegion.line(port: port) }

        func status(_ port: UInt32) -> UnsafeMutableRawPointer { control.base + Arena.statusOffset(port: port) }

        /// Tells the backend to look at a port.
        func ring(_ port: UInt32) {
            if DoorbellFront(arena: control.base).ring(port) { channels.notify(channel) }
        }
    }
}
