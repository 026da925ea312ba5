import XenSockRing
import XenSockWire

/// One frontend process: its session socket, its command ring, and its names for sockets (docs/PROTOCOL.md, 3.1).
final class Session {
    let id: UInt32
    let credentials: PeerCredentials
    /// The session socket; -1 for a session of a guest. Owned.
    var descriptor: Int32
    /// The peer's process, to learn of its end; -1 if only the hang-up tells. Owned.
    var process: Int32 = -1
    /// Until when it must have said HELLO, in nanoseconds of the service's clock.
    var helloDeadline: UInt64 = 0

    /// The guest's device whose session it is.
    weak var xen: XenSessions?

    /// From HELLO on.
    var arena: Service.Arena?
    /// Arenas of the sessions that this one descends from through DOOR, and those of attached sockets: its process may
    /// hold locks there.
    var otherArenas: [Service.Arena] = []
    /// Ids of the arenas that the processes of this session and of those that descend from it through DOOR may have mapped:
    /// those of the sessions that it descends from, and of sockets that it attached.
    var inheritedArenas: Set<UInt64> = []
    var sockets: [UInt64: Service.Socket] = [:]
    /// By their ids: sockets that a posted SOCKET did not make.
    var stillborn: [UInt64: Stillborn] = [:]
    /// What it speaks; known from its STORE on. Sockets of `draft1` and `pvcalls1` are apart from the others.
    var dialect = Dialect.xensock2
    var v1Sockets: [UInt64: Service.V1] = [:]

    /// From the frontend's STORE with state 3 on.
    var ring: CommandRingBack?
    var arguments: ArgumentArea?

    var source: UInt32 = 0
    var processSource: UInt32 = 0
    /// In the reactor's list of sessions with work.
    var isQueued = false
    var isClosed = false
    /// What its socket still is after the session: `Service.receiveDoors`.
    var door = Door.none

    enum Door {
        case none
        /// With what to do when its last holder is gone.
        case open((() -> Void)?)
    }

    /// Its requests are being performed; `endReason`: then it ends.
    var isRunning = false
    var endReason: String?
    /// For how many turns its next request has been put off.
    var turnsPutOff = 0
    /// The last posted SOCKET that was put off to the next turn.
    var hasOvertaken: UInt64?
    /// Its last requests are being performed.
    var isEnding = false
    /// It broke the protocol: no further request of it is performed.
    var isBroken = false

    init(id: UInt32, credentials: PeerCredentials, descriptor: Int32) {
        self.id = id
        self.credentials = credentials
        self.descriptor = descriptor
    }

    /// Whether the session's process may have the memory of `arena`, and with it every socket there: one descriptor,
    /// which may have come from anyone, does not show that.
    func mayShare(_ arena: Service.Arena) -> Bool {
        credentials.userID == arena.userID || credentials.userID == 0 || inheritedArenas.contains(arena.id)
    }

    /// Remembers that the session's process may hold locks in `arena`.
    func mayLock(in arena: Service.Arena) {
        if self.arena === arena || otherArenas.contains(where: { $0 === arena }) { return }
        otherArenas.removeAll { $0.isDestroyed }
        otherArenas.append(arena)
        // Who may hold locks there has its memory, and so will a forked child, whatever user that becomes.
        inheritedArenas.insert(arena.id)
    }
}
