import CXenSockSystem
import XenSockPlatform
import XenSockRing
import XenSockWire

/// The ports of the session's own arena: which are free for a new socket. Called with the session's lock held unless
/// said otherwise.
enum Ports {
    /// Takes a port for a new socket: the one closed last whose pages are still warm, if the service is done with it.
    ///
    /// - Returns: the port and the generation that its socket will have; nil if every port is in use.
    static func take(_ state: UnsafeMutablePointer<SessionState>) -> (port: UInt32, generation: UInt32)? {
        guard let base = state.pointee.base, let port = unused(state) else { return nil }
        let generation = SocketStatus(line: base + Arena.statusOffset(port: port)).generation
        // Remembered at once: while the generation is this one the port is taken, however often it is pushed.
        Session.generation(state, port).pointee = generation
        return (port, generation)
    }

    private static func unused(_ state: UnsafeMutablePointer<SessionState>) -> UInt32? {
        if let port = next(state) { return port }
        // A socket that ended by itself, as relayed and reset ones do, was not told of when its descriptor was closed.
        listFree(state)
        return next(state)
    }

    private static func next(_ state: UnsafeMutablePointer<SessionState>) -> UInt32? {
        let count = state.pointee.closedPorts
        var depth: UInt32 = 0
        let fresh = state.pointee.nextPort < state.pointee.ports
        while depth < count, !fresh || depth < 8 {
            let position = count &- 1 &- depth
            let port = Session.closedPort(state, position).pointee
            if isFree(state, port) {
                Session.closedPort(state, position).pointee = Session.closedPort(state, count &- 1).pointee
                state.pointee.closedPorts = count &- 1
                return port
            }
            depth &+= 1
        }
        guard fresh else { return nil }
        let port = state.pointee.nextPort
        state.pointee.nextPort = port &+ 1
        return port
    }

    /// Gives back a port whose socket never came to be; the service may know nothing of it.
    static func abandon(_ state: UnsafeMutablePointer<SessionState>, _ port: UInt32, bound: Bool) {
        if !bound { Session.generation(state, port).pointee &-= 1 }
        push(state, port)
    }

    /// A descriptor of the socket was closed; perhaps the last. Takes the lock itself.
    static func closed(_ handle: SocketHandle) {
        guard let state = Session.state, Session.life(state) != nil,
            handle.entry.arena == Int(state.pointee.arena)
        else { return }
        let mask = Kernel.blockSignals()
        Session.lock(state)
        push(state, handle.entry.port)
        Session.unlock(state)
        Kernel.restoreSignals(mask)
    }

    private static func push(_ state: UnsafeMutablePointer<SessionState>, _ port: UInt32) {
        let count = state.pointee.closedPorts
        if count < Arena.maximumPorts {
            Session.closedPort(state, count).pointee = port
            state.pointee.closedPorts = count &+ 1
            return
        }
        // Copies of one socket were closed again and again: keep what is free, once.
        compact(state)
        if state.pointee.closedPorts < Arena.maximumPorts {
            Session.closedPort(state, state.pointee.closedPorts).pointee = port
            state.pointee.closedPorts &+= 1
        }
    }

    /// Rebuilds the list from the ports themselves: every port ever taken stands in it once.
    private static func compact(_ state: UnsafeMutablePointer<SessionState>) {
        var port: UInt32 = 1
        var count: UInt32 = 0
        while port < state.pointee.nextPort {
            Session.closedPort(state, count).pointee = port
            count &+= 1
            port &+= 1
        }
        state.pointee.closedPorts = count
    }

    /// Rebuilds the list from the ports that the service is done with. Those that it will be done with are found the next
    /// time.
    private static func listFree(_ state: UnsafeMutablePointer<SessionState>) {
        var port: UInt32 = 1
        var count: UInt32 = 0
        while port < state.pointee.nextPort {
            if isFree(state, port) {
                Session.closedPort(state, count).pointee = port
                count &+= 1
            }
            port &+= 1
        }
        state.pointee.closedPorts = count
    }

    /// Whether the service is done with the port's last socket. A second entry of a port that was taken again fails here.
    private static func isFree(_ state: UnsafeMutablePointer<SessionState>, _ port: UInt32) -> Bool {
        guard port > 0, port < state.pointee.ports, let base = state.pointee.base else { return false }
        let status = SocketStatus(line: base + Arena.statusOffset(port: port))
        return status.generation != Session.generation(state, port).pointee
    }
}
