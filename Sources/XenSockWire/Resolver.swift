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
        case dns = 3
        case interfaces = 4
        case interfaceControl = 5
        case host = 6
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

    /// res_query(3) and its family.
    public enum DNSQuery {
        public static let mode = 8
        public static let options = 12
        public static let `class` = 16
        public static let type = 20
        public static let room = 24
        public static let content = 28

        /// What the content is and what is done with it.
        public enum Mode: UInt32, Sendable {
            /// A name, as it is: res_query(3).
            case query = 0
            /// A name, completed by the search list: res_search(3).
            case search = 1
            /// A message of DNS: res_send(3).
            case send = 2
        }

        /// The options of the backend domain's own configuration.
        public static let defaultOptions: UInt32 = 0xffff_ffff
    }

    /// gethostbyname2(3), gethostbyaddr(3).
    public enum HostQuery {
        /// 0: the content is a name, 1: an address.
        public static let mode = 8
        public static let family = 12
        public static let content = 16
    }

    /// A `struct hostent`, behind the answer's first words; its strings, with their NULs, and addresses follow.
    public enum HostAnswer {
        public static let family = 0
        /// Of one address.
        public static let addressLength = 4
        public static let aliases = 8
        public static let addresses = 12
        public static let content = 16
    }

    /// An ioctl(2) on one interface (netdevice(7)).
    public enum InterfaceControlQuery {
        public static let request = 8
        public static let structure = 12
        /// `sizeof(struct ifreq)`.
        public static let structureSize = 40
        public static let size = structure + structureSize
    }

    /// One entry of the list of interfaces, padded to a multiple of 8: a `struct ifaddrs`. Behind the words stand, with
    /// the lengths given, name, address, netmask, broadcast or destination address, data.
    public enum InterfaceEntry {
        public static let index = 0
        public static let flags = 4
        public static let nameLength = 8
        public static let addressLength = 12
        public static let netmaskLength = 16
        public static let destinationLength = 20
        public static let dataLength = 24
        public static let size = 28
    }

    public enum NameAnswer {
        public static let hostLength = 16
        public static let serviceLength = 20
        public static let names = 24
    }
}
