/// Layouts of sessions between two domains (docs/PROTOCOL.md 3.7): what stands beside an arena's own pages.
public enum DeviceCommand {
    public static let session: UInt32 = 80
    public static let end: UInt32 = 81
    public static let attach: UInt32 = 82
}

/// Offsets of a device request's fields, beside those of `EntryLayout`.
public enum DeviceEntry {
    public enum Session {
        /// Grant reference of the dock region's first page.
        public static let reference = 16
        public static let eventChannel = 20
        public static let user = 24
        public static let process = 28
    }

    public enum Attach {
        public static let name = 16
        public static let owner = 24
        public static let port = 28
    }

    public enum Response {
        /// The backend's number of the session.
        public static let session = 24
        /// ATTACH: the port's generation.
        public static let generation = 24
    }
}

/// The control region: the arena's pages up to the status lines. `ports` is valid.
public enum ControlRegion {
    public static let minimumPorts: UInt32 = 64
    public static let maximumPorts: UInt32 = 4096

    /// Offset in the header of 1 + the frontend's port of the session's event channel; 0 on the local platform.
    public static let eventChannel = 36

    /// Offset in a port's status line of the grant reference of its indexes page; written by the agent.
    public static let indexesReference = 40

    public static func isValid(ports: UInt32) -> Bool {
        ports >= minimumPorts && ports <= maximumPorts && ports % Arena.portGranularity == 0
    }

    public static func pageCount(ports: UInt32) -> UInt32 { Arena.firstGrantablePage(ports: ports) }
}

/// The dock region, which the program never sees. Its pages 0 and 1 are a doorbell's, as an arena's are, towards the agent.
public enum DockRegion {
    public static let ports = 1024
    public static let controlPages = 1028
    public static let dockPages = 1032
    /// The references of the dock pages, then those of the control pages, u32 each.
    public static let references = 1040
    /// Offset of the first placeholder line.
    public static let lines = 8192

    /// The reverse doorbell's port that says KICK.
    public static let kickPort: UInt32 = 0

    public static func pageCount(ports: UInt32) -> UInt32 { 2 &+ ports / 64 }

    /// Offset of a port's placeholder line. The caller has bounded `port`.
    public static func lineOffset(port: UInt32) -> Int { lines &+ PlaceholderLine.size &* Int(port) }
}

/// A port's placeholder line: offsets in its 64 bytes. The first half is the backend's, the second the agent's.
public enum PlaceholderLine {
    public static let size = 64

    public static let tokens = 0
    public static let fillers = 4
    public static let purges = 8
    public static let ends = 12
    public static let looks = 16
    public static let urgent = 20
    public static let hangup = 32
    public static let looked = 36
    public static let filler = 40
    public static let bound = 44

    /// Bits of `ends`.
    public enum End {
        public static let write: UInt32 = 1
        public static let read: UInt32 = 2
        public static let watchFillers: UInt32 = 4
        public static let closed: UInt32 = 8
    }

    /// What the agent does at once of each, at most.
    public static let maximumTokens: UInt32 = 255
    public static let maximumFillers: UInt32 = 64
    public static let maximumUrgent: UInt32 = 1
}
