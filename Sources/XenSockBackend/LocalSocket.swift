import XenSockRing
import XenSockWire

/// A socket of `draft1` or `pvcalls1` on the local platform: the state machine, the channel below it, and what the
/// reactor keeps about both.
final class LocalSocket<Kernel: SocketKernel> {
    let socket: V1Socket<Kernel>
    let channel: LocalChannel<Kernel>
    let cookie: UInt64
    /// The sessions that know the socket, and by which id.
    var references: [SocketReference] = []
    let networkSource: UInt32
    let placeholderSource: UInt32
    // The reactor's: in its list of sockets with work, of draining ones, out of the tables of names, out of everything.
    var isQueued = false
    var isDraining = false
    var isDetached = false
    var isRemoved = false

    init(
        socket: V1Socket<Kernel>, channel: LocalChannel<Kernel>, cookie: UInt64, networkSource: UInt32,
        placeholderSource: UInt32
    ) {
        self.socket = socket
        self.channel = channel
        self.cookie = cookie
        self.networkSource = networkSource
        self.placeholderSource = placeholderSource
    }

    /// Something happened at the service's end of the placeholder.
    func placeholderEvent(_ events: UInt32) {
        guard channel.placeholder >= 0 else { return }
        if events & EpollEvents.input != 0 {
            socket.guarded { () throws(RingViolation) in try channel.fillerEvent() }
        }
        if channel.isHangup(events) { hangUp() }
    }

    /// Looks now, as RELEASE demands: with the last descriptor closed it ends the socket.
    func lookForHangup() {
        if channel.placeholder >= 0, channel.isHungUp() { hangUp() }
    }

    func hangUp() {
        channel.closePlaceholder()
        socket.release()
    }

    /// The holder of a lock died: settles what it left, then looks.
    func settleDead(reader: Bool) {
        socket.guarded { () throws(RingViolation) in
            if reader {
                try channel.settleDeadReader()
            } else {
                try channel.settleDeadSender(hasRoom: try socket.hasRoom())
            }
        }
    }
}
