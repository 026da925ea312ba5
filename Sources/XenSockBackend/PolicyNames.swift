import Glibc

/// The names of numbers in policy files and in the log.
public enum PolicyNames {
    /// Address families that a rule can name.
    public static let families: [String: Int32] = [
        "inet": AF_INET, "inet6": AF_INET6, "unix": AF_UNIX, "netlink": AF_NETLINK, "packet": AF_PACKET,
        "vsock": AF_VSOCK,
    ]

    /// Socket types that a rule can name.
    public static let types: [String: Int32] = [
        "stream": Int32(SOCK_STREAM.rawValue), "dgram": Int32(SOCK_DGRAM.rawValue),
        "raw": Int32(SOCK_RAW.rawValue), "seqpacket": Int32(SOCK_SEQPACKET.rawValue),
    ]

    /// Errors that a rule can answer: those that programs expect from the calls that rules deny.
    public static let errors: [String: Int32] = [
        "EACCES": EACCES, "EPERM": EPERM, "EADDRINUSE": EADDRINUSE, "EADDRNOTAVAIL": EADDRNOTAVAIL,
        "EAFNOSUPPORT": EAFNOSUPPORT, "ECONNREFUSED": ECONNREFUSED, "ECONNRESET": ECONNRESET,
        "EHOSTDOWN": EHOSTDOWN, "EHOSTUNREACH": EHOSTUNREACH, "EINVAL": EINVAL, "ENETDOWN": ENETDOWN,
        "ENETUNREACH": ENETUNREACH, "EOPNOTSUPP": EOPNOTSUPP, "EPROTONOSUPPORT": EPROTONOSUPPORT,
        "ESOCKTNOSUPPORT": ESOCKTNOSUPPORT, "ETIMEDOUT": ETIMEDOUT,
    ]

    static func family(_ number: Int32) -> String { name(of: number, in: families) ?? "family \(number)" }

    static func type(_ number: Int32) -> String { name(of: number, in: types) ?? "type \(number)" }

    static func error(_ number: Int32) -> String { name(of: number, in: errors) ?? "errno \(number)" }

    private static func name(of number: Int32, in table: [String: Int32]) -> String? {
        table.first { $0.value == number }?.key
    }
}
