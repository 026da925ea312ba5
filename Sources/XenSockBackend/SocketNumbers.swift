/// Linux's numbers that the sockets' state machine decides on, as they stand on the wire and at the kernel.
enum Errno {
    static let eperm: Int32 = 1
    static let enoent: Int32 = 2
    static let eio: Int32 = 5
    static let ebadf: Int32 = 9
    static let eagain: Int32 = 11
    static let enomem: Int32 = 12
    static let eacces: Int32 = 13
    static let ebusy: Int32 = 16
    static let eexist: Int32 = 17
    static let einval: Int32 = 22
    static let enfile: Int32 = 23
    static let emfile: Int32 = 24
    static let enospc: Int32 = 28
    static let enotty: Int32 = 25
    static let epipe: Int32 = 32
    static let eintr: Int32 = 4
    static let eproto: Int32 = 71
    static let enoprotoopt: Int32 = 92
    static let esocktnosupport: Int32 = 94
    static let eopnotsupp: Int32 = 95
    static let eafnosupport: Int32 = 97
    static let enobufs: Int32 = 105
    static let eisconn: Int32 = 106
    static let enotconn: Int32 = 107
    static let etimedout: Int32 = 110
    static let ealready: Int32 = 114
    static let einprogress: Int32 = 115
    static let enotsup: Int32 = 524
}

enum ShutdownHow {
    static let read: Int32 = 0
    static let write: Int32 = 1
    static let both: Int32 = 2
}

/// Domains and types that a frontend may ask for.
enum SocketDomain {
    static let unix: UInt32 = 1
    static let inet: UInt32 = 2
    static let inet6: UInt32 = 10
}

enum SocketType {
    static let stream: UInt32 = 1
    static let dgram: UInt32 = 2
    static let raw: UInt32 = 3
}

/// Levels and names of options that the service itself sets or treats apart.
enum OptionNumber {
    static let solSocket: Int32 = 1
    static let soType: Int32 = 3
    static let soReuseAddress: Int32 = 2
    static let soError: Int32 = 4
    static let soSendBuffer: Int32 = 7
    static let soReceiveBuffer: Int32 = 8
    static let soUrgentInline: Int32 = 10
    static let soLinger: Int32 = 13
    static let soPeerCredentials: Int32 = 17
    static let soReceiveLowWater: Int32 = 18
    static let soDomain: Int32 = 39
    static let soCookie: Int32 = 57
    static let soPeerPidfd: Int32 = 77
    static let ipprotoIP: Int32 = 0
    static let ipprotoTCP: Int32 = 6
    static let ipprotoIPv6: Int32 = 41
    static let ipprotoUDP: Int32 = 17
    static let ipprotoUDPLite: Int32 = 136
    static let ipprotoICMPv6: Int32 = 58
    static let solRaw: Int32 = 255
    static let tcpNoDelay: Int32 = 1
    static let tcpCork: Int32 = 3
}

enum IoctlRequest {
    static let outputQueue: UInt32 = 0x5411
    static let inputQueue: UInt32 = 0x541b
    static let atMark: UInt32 = 0x8905
    static let outputQueueUnsent: UInt32 = 0x894b
}
