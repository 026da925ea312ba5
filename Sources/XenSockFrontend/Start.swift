import CXenSockSystem
import XenSockPlatform
import XenSockWire

/// What the environment says, read once when the library is loaded.
extension Frontend {
    /// Remembers where the service is and what the launcher handed down. Safe before other libraries' constructors ran.
    public static func start() {
        let process = xs_get_process_state()
        process.pointee.lifeline = -1
        if let path = getenv("XENSOCK_SOCKET") {
            copy(path, nil, &process.pointee.socket_path.0)
        } else {
            let system: StaticString = "/run/xensock/xensock.sock"
            system.withLiteral { copy($0, nil, &process.pointee.socket_path.0) }
            if let directory = getenv("XDG_RUNTIME_DIR") {
                let user: StaticString = "/xensock/xensock.sock"
                user.withLiteral { copy(directory, $0, &process.pointee.user_socket_path.0) }
            }
        }
        if let lifeline = getenv("XENSOCK_LIFELINE") {
            let fd = decimal(lifeline)
            if fd >= 0, Kernel.fileControl(fd, Int32(F_GETFD), 0) >= 0 { process.pointee.lifeline = fd }
        }
        if let dialect = getenv("XENSOCK_DIALECT") { process.pointee.dialect = number(ofDialect: dialect) }
        if let names = getenv("XENSOCK_UNIX") { keepBackendNames(names) }
        noteOwnPreload()
        if let quiet = getenv("XENSOCK_QUIET"), quiet[0] == 0x31 { process.pointee.quiet = 1 }
        relayInheritedStandards()
    }

    /// Copies a path and what follows it; a path that does not fit an address is left out, so that opening fails.
    private static func copy(
        _ path: UnsafePointer<CChar>, _ rest: UnsafePointer<CChar>?, _ destination: UnsafeMutablePointer<CChar>
    ) {
        let length = strlen(path)
        let restLength = rest.map { strlen($0) } ?? 0
        guard length &+ restLength < 108 else { return }
        memcpy(destination, path, length)
        if let rest { memcpy(destination + length, rest, restLength) }
        destination[length &+ restLength] = 0
    }

    /// The number of a dialect; one that stands for none if the name is unknown, so that no socket opens.
    private static func number(ofDialect name: UnsafePointer<CChar>) -> UInt32 {
        if name[0] == 0 { return 0 }
        if matches(name, .xensock2) { return Dialect.xensock2.number }
        if matches(name, .pvcalls1) { return Dialect.pvcalls1.number }
        return matches(name, .draft1) ? Dialect.draft1.number : UInt32.max
    }

    private static func matches(_ name: UnsafePointer<CChar>, _ dialect: Dialect) -> Bool {
        let known: StaticString =
            switch dialect {
            case .xensock2: "xensock2"
            case .pvcalls1: "pvcalls1"
            case .draft1: "draft1"
            }
        let length = known.utf8CodeUnitCount
        return strlen(name) == length && memcmp(name, known.utf8Start, length) == 0
    }

    /// A small decimal number, or -1.
    private static func decimal(_ text: UnsafePointer<CChar>) -> Int32 {
        var value: Int32 = 0
        var index = 0
        while text[index] != 0 {
            let digit = Int32(text[index]) &- 0x30
            guard digit >= 0, digit <= 9, value < 100_000_000 else { return -1 }
            value = value &* 10 &+ digit
            index &+= 1
        }
        return index == 0 ? -1 : value
    }
}

extension StaticString {
    /// The literal's bytes, NUL-terminated as the compiler lays them out.
    func withLiteral(_ body: (UnsafePointer<CChar>) -> Void) {
        body(UnsafeRawPointer(utf8Start).assumingMemoryBound(to: CChar.self))
    }
}
