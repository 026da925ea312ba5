/// A command of the protocol, whatever its number in a dialect. Raw values are those of `pvcalls1` and `xensock2`.
public enum Command: UInt32, CaseIterable, Sendable {
    case socket = 0
    case connect = 1
    case release = 2
    case bind = 3
    case listen = 4
    case accept = 5
    /// `pvcalls1` and `draft1` only: `xensock2` has tokens instead, and holds no request.
    case poll = 6
    case shutdown = 64
    case getsockname = 65
    case getpeername = 66
    case getsockopt = 67
    case setsockopt = 68
    case ioctl = 69
    case sendOOB = 70
    /// From here on the placeholder carries the stream's own bytes (docs/PROTOCOL.md 2.6).
    case relay = 73

    /// The command that `number` means in `dialect`; nil if it has none.
    public init?(number: UInt32, in dialect: Dialect) {
        guard dialect == .draft1 else {
            guard let command = Command(rawValue: number), command.number(in: dialect) != nil else { return nil }
            self = command
            return
        }
        switch number {
        case 0: self = .connect
        case 3: self = .release
        case 4: self = .bind
        case 5: self = .listen
        case 6: self = .accept
        case 7: self = .poll
        default: return nil
        }
    }

    /// The number on the wire; nil if `dialect` has no such command.
    public func number(in dialect: Dialect) -> UInt32? {
        switch dialect {
        case .xensock2: return self == .poll ? nil : rawValue
        case .pvcalls1: return rawValue <= Command.poll.rawValue ? rawValue : nil
        case .draft1:
            switch self {
            case .connect: return 0
            case .release: return 3
            case .bind: return 4
            case .listen: return 5
            case .accept: return 6
            case .poll: return 7
            default: return nil
            }
        }
    }
}
