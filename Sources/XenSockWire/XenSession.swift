/// What stands on a device that carries sessions (docs/PROTOCOL.md 3.7): its requests, and the memory that an agent grants
/// for each session. Offsets are in bytes.
public enum XenSession {
    /// Ports of a session: a multiple of `Arena.portGranularity` from this on.
    public static let minimumPorts: UInt32 = 64
    public static let maximumPorts: UInt32 = 4096
    /// The backend's numbers of sessions are below this.
    public static let numberLimit: UInt32 = 1 << 31

    /// Whether `ports` is a number that a session on Xen can have.
    public static func isValid(ports: UInt32) -> Bool {
        ports >= minimumPorts && ports <= maximumPorts && ports % Arena.portGranularity == 0
    }

    /// Pages of the control region. `ports` is valid.
    public static func controlPages(ports: UInt32) -> UInt32 { Arena.firstGrantablePage(ports: ports) }

    /// Pages of the dock region. `ports` is valid.
    public static func dockPages(ports: UInt32) -> UInt32 { 2 &+ ports / 64 }

    /// Requests of the device's command ring.
    public enum Command: UInt32, Sendable {
        case session = 80
        case end = 81
        case attach = 82
    }

    /// Of `features`: requests may be posted (docs/PROTOCOL.md 2.3).
    public static let postedFeature: UInt32 = 1

    /// Offsets in an entry; `EntryLayout` has the others.
    public enum Entry {
        // SESSION.
        public static let dockReference = 16
        public static let eventChannel = 20
        public static let user = 24
        public static let process = 28
        public static let programChannel = 32
        // ATTACH.
        public static let owner = 16
        public static let port = 24
        public static let generation = 28
        public static let socket = 32
        // Of the response to SESSION.
        public static let number = 24
        public static let features = 28
    }

    /// Violations in succession, answered EINVAL, that a backend bears.
    public static let toleratedFailures = 64
}

/// The dock region (docs/PROTOCOL.md 3.7). `sleeping`, summary and pending bitmap stand where `ArenaHeader` has them.
public enum DockRegion {
    public static let ports = 1024
    /// How many references of control pages, and of dock pages, are listed.
    public static let controlPages = 1028
    public static let dockPages = 1032
    /// The references: dock pages, then control pages.
    public static let references = 1040
    public static let lines = 8192

    /// Offset of a port's placeholder line. The caller has bounded `port`.
    public static func line(port: UInt32) -> Int { lines &+ PlaceholderLine.size &* Int(port) }
}

/// A port's placeholder line: offsets of 32-bit words.
public enum PlaceholderLine {
    public static let size = 64

    // Written by the backend.
    public static let tokens = 0
    public static let fillers = 4
    public static let purges = 8
    public static let ends = 12
    public static let looks = 16
    public static let urgent = 20
    // Written by the agent.
    public static let hangup = 32
    public static let looked = 36
    public static let filler = 40
    public static let bound = 44
    /// Of a relayed placeholder: the index of `out` behind everything that the program has written, stored before `looked`.
    public static let written = 48
    /// Of a relayed placeholder, 1: the program writes no more, and all that it wrote is in `out`.
    public static let ended = 52

    /// Bits of `ends`.
    public enum End {
        public static let write: UInt32 = 1
        public static let read: UInt32 = 2
        public static let watchFillers: UInt32 = 4
        public static let closed: UInt32 = 8
        /// The placeholder carries the stream's own bytes.
        public static let relay: UInt32 = 16
    }

    /// Values of `hangup`.
    public enum Hangup {
        public static let closed: UInt32 = 1
        /// With bytes of a relayed stream unread.
        public static let reset: UInt32 = 2
        /// Nobody is left who reads, and 1 or 2 is still to come.
        public static let finishing: UInt32 = 3
    }

    /// What a count may be ahead of what was done.
    public static let maximumTokens: UInt32 = 255
    public static let maximumFillers: UInt32 = 64
    public static let maximumUrgent: UInt32 = 1
}
