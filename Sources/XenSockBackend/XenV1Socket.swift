import XenSockRing
import XenSockWire

/// A socket of `pvcalls1` of a guest: the state machine, the channel below it, and what the reactor keeps about both.
final class XenV1Socket {
    typealias Socket = V1Socket<LinuxKernel>

    let id: UInt64
    let domain: XenDomain
    let device: UInt32
    let socket: Socket
    let channel: XenV1Channel
    private let networkSource: UInt32
    /// Until the device is closed, or the socket released.
    weak var connection: XenV1Connection?
    /// What the held ACCEPT of this listener makes.
    var accepting: XenV1Socket?
    /// In the domain's list of sockets with work.
    var isQueued = false
    private var isDraining = false
    private(set) var isRemoved = false
    private var leftover = 0

    init(id: UInt64, domain: XenDomain, device: UInt32, channel: XenV1Channel, connection: XenV1Connection) {
        self.id = id
        self.domain = domain
        self.device = device
        self.channel = channel
        self.connection = connection
        let service = domain.service
        networkSource = service.sources.add(.none)
        socket = Socket(
            kernel: service.kernel, epoll: service.epoll, dialect: .pvcalls1, channel: channel,
            networkData: service.sources.data(networkSource))
        domain.sockets += 1
        // Until it is removed: it may outlive its device.
        service.sources.set(networkSource, .events { self.networkEvent($0) })
        channel.notified = { [unowned self] in
            socket.notified()
            settle()
        }
    }

    private func networkEvent(_ events: UInt32) {
        socket.networkEvent(socket.kernel.completed(socket.network, events: events))
        settle()
    }

    func turn() {
        guard !isRemoved else { return }
        socket.wantsTurn = false
        socket.turn()
        settle()
    }

    func checkDrain(now: UInt64) {
        guard !isRemoved else { return }
        socket.checkDrain(now: now)
        settle()
    }

    /// RELEASE, or the end of the device.
    func release() {
        if domain.leftoverBytes >= XenDomain.maximumLeftover {
            socket.answerHeld(0 &- Errno.ebadf)
            socket.listener?.abandonAccept(of: socket)
            socket.finish(abort: true)
        } else {
            socket.release()
        }
        settle()
    }

    /// Looks at what a step left behind. To be called after every one.
    func settle() {
        guard !isRemoved else { return }
        if let violation = socket.violation {
            socket.violation = nil
            domain.report(device: device, "a data ring: \(violation)")
        }
        if !socket.answers.isEmpty {
            let answers = socket.answers
            socket.answers = []
            connection?.send(answers.map(\.response))
        }
        settleAccept()
        if socket.phase == .gone { return remove() }
        if socket.phase == .draining, !isDraining {
            isDraining = true
            leftover = socket.leftover?.count ?? 0
            domain.leftoverBytes += leftover
            domain.drain(self)
        }
        if socket.wantsTurn { domain.queue(self) }
    }

    /// The held ACCEPT is answered: what it made has become a connection, or nothing.
    private func settleAccept() {
        guard let accepted = accepting, accepted.socket.listener == nil else { return }
        accepting = nil
        switch accepted.socket.phase {
        case .open, .failed: connection?.forget(accepted)
        default: accepted.settle()
        }
    }

    /// Gives everything back, whatever it was.
    func discard() {
        socket.finish(abort: false)
        settle()
    }

    private func remove() {
        isRemoved = true
        domain.sockets -= 1
        domain.leftoverBytes -= leftover
        domain.service.sources.remove(networkSource)
    }
}
