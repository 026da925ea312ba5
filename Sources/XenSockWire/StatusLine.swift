/// A port's status line (docs/PROTOCOL.md 3.3): offsets in its 128 bytes. The first cache line is the service's.
public enum StatusLine {
    public static let size = 128

    public static let generation = 0
    public static let state = 4
    public static let error = 8
    public static let kind = 12
    // Only `draft1` and `pvcalls1` use these three (docs/PROTOCOL.md 3.5).
    public static let inReadiness = 16
    public static let outReadiness = 20
    public static let arrivals = 24
    public static let urgent = 32
    /// The grant reference of the indexes page, on Xen (docs/PROTOCOL.md 3.7).
    public static let reference = 40
    public static let receiveLock = 64
    public static let sendLock = 72
    public static let flags = 80
    public static let misses = 84
    public static let receiveTimeout = 88
    public static let sendTimeout = 96
    public static let order = 104
    public static let accepted = 108
    public static let sendLimit = 112
    public static let lowWater = 116
    public static let peekOffset = 120
    public static let linger = 124

    /// What `state` says of the socket.
    public enum State: UInt32, Sendable {
        case free = 0
        case open = 1
        case connecting = 2
        case connected = 3
        case listening = 4
        case failedConnect = 5
        case reset = 6
    }

    /// Bits of `flags`.
    public enum Flag {
        public static let nonBlocking: UInt32 = 1
        public static let edgeTriggered: UInt32 = 2
        public static let readShut: UInt32 = 4
        public static let writeShut: UInt32 = 8
        public static let bound: UInt32 = 16
        public static let listening: UInt32 = 32
        /// The placeholder carries the stream's own bytes (docs/PROTOCOL.md 2.6). The service sets it.
        public static let relayed: UInt32 = 1 << 16
        /// Somebody waits in a way that only the placeholder's own end of stream wakes (docs/PROTOCOL.md 2.2, EOF).
        public static let endWanted: UInt32 = 1 << 17
        /// A datagram socket's peer is on the backend's own host.
        public static let nearbyPeer: UInt32 = 128
        /// connect(2) itself has returned the failure: the socket is as one that was never connected.
        public static let failureReported: UInt32 = 512
        public static let urgentInline: UInt32 = 256
        /// SO_SELECT_ERR_QUEUE: a datagram socket's error queue shows as PRI too.
        public static let errorQueueIsUrgent: UInt32 = 2048
        /// SOCKET was posted, and its answer not seen, or not 0.
        public static let unanswered: UInt32 = 4096
        /// A stream socket made with protocol 0 or IPPROTO_TCP, or accepted from such a one.
        public static let plainTCP: UInt32 = 8192
    }

    /// The 64-bit word at `urgent`: the urgent byte in bits 7..0, flags, and from bit 32 on the index of `in` at which
    /// it stands.
    public enum Urgent {
        /// The byte was not received yet.
        public static let valid: UInt64 = 1 << 8
        /// Nobody has received beyond the mark yet.
        public static let mark: UInt64 = 1 << 9
        /// An urgent byte was sent into the placeholder, and may still stand there.
        public static let queued: UInt64 = 1 << 10
    }

    /// The word of a lock held by `thread` of `session`.
    public static func lock(session: UInt32, thread: UInt32) -> UInt64 {
        UInt64(session) &<< 32 | UInt64(thread)
    }

    public static func kind(domain: UInt16, type: UInt16) -> UInt32 {
        UInt32(domain) &<< 16 | UInt32(type)
    }
}
