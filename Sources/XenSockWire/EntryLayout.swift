/// Offsets of an entry's fields, from its start, in `pvcalls1` and `xensock2` (docs/PROTOCOL.md 2.3 and 5.4).
public enum EntryLayout {
    public static let requestID = 0
    public static let command = 4
    public static let id = 8

    public enum Socket {
        public static let domain = 16
        public static let type = 20
        public static let `protocol` = 24
        public static let eventChannel = 28
        public static let indexesPage = 32
    }

    /// CONNECT; BIND has the first two.
    public enum Connect {
        public static let address = 16
        public static let length = 44
        public static let flags = 48
        public static let reference = 52
        public static let eventChannel = 56
    }

    public enum Release {
        public static let reuse = 16
    }

    public enum Listen {
        public static let backlog = 16
    }

    public enum Accept {
        public static let newID = 16
        public static let reference = 24
        public static let eventChannel = 28
    }

    public enum Shutdown {
        public static let how = 16
        public static let outProducer = 20
    }

    /// GETSOCKOPT and SETSOCKOPT.
    public enum Option {
        public static let level = 16
        public static let name = 20
        public static let length = 24
        public static let outProducer = 28
    }

    public enum IOControl {
        public static let request = 16
    }

    public enum SendOOB {
        public static let outProducer = 16
        public static let byte = 20
    }

    public enum Flush {
        public static let outProducer = 16
    }

    public enum ReceiveError {
        public static let offset = 16
    }

    public enum Response {
        public static let ret = 8
        public static let id = 16
        public static let length = 24
        public static let value = 24
        public static let address = 28
        public static let empty = 56
        public static let arrivals = 60
    }
}

/// Offsets of an entry's fields in `draft1` (docs/PROTOCOL.md chapter 4), and what the draft left unsaid.
public enum Draft1 {
    public static let requestID = 0
    public static let command = 4
    public static let id = 8
    /// Pages of a data ring, all listed in the entry.
    public static let pages = 64
    /// The backlog of LISTEN, which carries none.
    public static let backlog: Int32 = 10

    /// CONNECT; BIND has the first two.
    public enum Connect {
        public static let address = 16
        public static let length = 44
        public static let flags = 48
        public static let references = 52
        public static let eventChannel = 308
    }

    public enum Accept {
        public static let newID = 16
        public static let references = 24
        public static let eventChannel = 280
    }

    public enum Response {
        public static let id = 8
        public static let ret = 16
    }
}

/// What SOCKET's `type` says beside the type (docs/PROTOCOL.md 2.3).
public enum SocketRequest {
    /// Nobody waits for the answer: a failure is that of later requests.
    public static let posted: UInt32 = 1 << 16
}
