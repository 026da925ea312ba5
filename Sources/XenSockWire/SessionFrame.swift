/// A message of the local platform's session socket (docs/PROTOCOL.md 3.1): offsets in it.
public enum SessionFrame {
    public static let type = 0
    public static let argument = 4
    public static let payload = 8
    public static let maximumPayload = 4096
    public static let maximumSize = 4104

    public enum Kind: UInt32, Sendable {
        case hello = 1
        case store = 2
        case port = 3
        case attach = 4
        case door = 5
        case kick = 6
        case ring = 7
    }

    /// HELLO of the frontend; `argument` is the layout version.
    public enum Hello {
        public static let wantedPorts = 8
        public static let size = 12
    }

    /// HELLO of the service; `argument` is 0 or an errno.
    public enum HelloAnswer {
        public static let session = 8
        public static let ports = 12
        public static let arenaID = 16
        /// `name NUL value NUL` pairs, to the end of the message.
        public static let nodes = 24
        public static let descriptors = 2
    }

    /// STORE: pairs to the end of the message.
    public enum Store {
        public static let nodes = 8
    }

    /// PORT; `argument` is the port. The socket's identity follows in `draft1` and `pvcalls1` only.
    public enum Port {
        public static let id = 8
        public static let size = 16
    }

    /// ATTACH of the frontend; `argument` 1 asks for the arena's descriptors too.
    public enum Attach {
        public static let id = 8
        public static let size = 16
    }

    /// ATTACH of the service; `argument` is 0 or an errno.
    public enum AttachAnswer {
        public static let id = 8
        public static let arenaID = 16
        public static let port = 24
        public static let generation = 28
        public static let size = 32
        /// On Xen: where the control region stands in the first descriptor.
        public static let controlOffset = 32
        public static let xenSize = 40
    }

    /// PORT of the agent, on Xen (docs/PROTOCOL.md 3.7); `argument` is the port.
    public enum PortAnswer {
        public static let error = 8
        public static let size = 12
    }

    /// RING of the frontend; `argument` is the port.
    public enum Ring {
        public static let order = 8
        public static let arenaID = 16
        public static let size = 24
    }

    /// RING of the agent; `argument` is the port.
    public enum RingAnswer {
        public static let error = 8
        public static let order = 12
        public static let offset = 16
        public static let pages = 24
        public static let size = 28
    }
}
