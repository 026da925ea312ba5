/// An error number of the wire: positive, with Linux's x86 values. On the wire it stands negated (docs/PROTOCOL.md 5.9).
public struct WireError: Error, Equatable, Sendable {
    public var number: Int32

    public init(_ number: Int32) { self.number = number }

    /// What a response's `ret` and a data ring's error word carry.
    public var ret: Int32 { 0 &- number }
}

extension WireError {
    /// The errno that a backend's system call gave, negated, as `dialect` carries it. 0 stays 0. EOPNOTSUPP goes out as
    /// ENOTSUP (524) where the dialect has that, and what the dialect cannot carry as EIO.
    public static func toWire(_ ret: Int32, in dialect: Dialect) -> Int32 {
        guard ret != 0 else { return 0 }
        guard ret < 0, ret >= -ENOTSUP.number else { return EIO.ret }
        let error = WireError(0 &- ret)
        if error == EOPNOTSUPP || error == ENOTSUP {
            return dialect == .draft1 ? EOPNOTSUPP.ret : ENOTSUP.ret
        }
        return error.isCarried(by: dialect) ? ret : EIO.ret
    }

    /// What came from the wire, as 0 or a negated errno that a program may see. ENOTSUP (524) becomes EOPNOTSUPP, and
    /// what is no errno (positive, or beyond the table) EIO: the peer is not trusted to know the table.
    public static func fromWire(_ ret: Int32) -> Int32 {
        if ret == 0 { return 0 }
        if ret == ENOTSUP.ret { return EOPNOTSUPP.ret }
        return ret < 0 && ret >= 0 &- last ? ret : EIO.ret
    }

    /// Whether a backend may send this number. `xensock2` carries Linux's whole table; the other two what PV Calls lists
    /// and what TCP cannot do without.
    public func isCarried(by dialect: Dialect) -> Bool {
        guard number > 0 else { return false }
        if self == .ENOTSUP { return dialect != .draft1 }
        guard number <= Self.last else { return false }
        if dialect == .xensock2 { return true }
        let word = number < 64 ? Self.carriedLow : Self.carriedHigh
        return word &>> UInt64(number & 63) & 1 == 1
    }

    /// The last number of Linux's table (EHWPOISON).
    static let last: Int32 = 133

    /// Bit n: number n is carried; the second word from 64 on.
    static let carriedLow: UInt64 = 0x6000_00ff_d1ff_7ffe
    static let carriedHigh: UInt64 = 0x000f_cfbe_a530_0c80
}
