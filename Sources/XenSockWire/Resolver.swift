/// The resolver's socket and records (docs/PROTOCOL.md 2.3 and 2.4): offsets of 32-bit words.
public enum Resolver {
    /// The domain of a resolver socket.
    public static let domain: UInt32 = 0x5853
    public static let maximumQuery = 4096
    public static let maximumAnswer = 65536
    /// The length of a node or service name that is not there.
    public static let none: UInt32 = 0xffff_ffff

    public enum Kind: UInt32, Sendable {
        case getaddrinfo = 1
        case getnameinfo = 2
    }

    public enum Query {
        public static let length = 0
        public static let kind = 4
        public static let flags = 8
    }

    public enum AddressQuery {
        public static let family = 12
        public static let type = 16
        public static let `protocol` = 20
        public static let nodeLength = 24
        public static let serviceLength = 28
        public static let names = 32
    }

    public enum NameQuery {
        public static let addressLength = 12
        public static let address = 16
    }

    public enum Answer {
        public static let length = 0
        public static let status = 4
        public static let errno = 8
        public static let count = 12
        public static let entries = 16
    }

    /// One entry of getaddrinfo's answer, padded to a multiple of 8.
    public enum Entry {
        public static let flags = 0
        public static let family = 4
        public static let type = 8
        public static let `protocol` = 12
        public static let addressLength = 16
        public static let nameLength = 20
        public static let address = 24
    }

    public enum NameAnswer {
        public static let hostLength = 16
        public static let serviceLength = 20
        public static let names = 24
    }
}
