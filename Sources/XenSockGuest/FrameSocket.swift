import CXenSockSystem
import Glibc
import XenSockWire

/// Session frames on a SOCK_SEQPACKET socket, as the agent's dock sends and receives them (docs/PROTOCOL.md, 3.1).
enum FrameSocket {
    /// A listening socket.
    ///
    /// - Returns: a descriptor, or a negative errno.
    static func listen(path: String) -> Int32 {
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        guard !path.isEmpty, path.utf8.count < MemoryLayout.size(ofValue: address.sun_path) else {
            return -ENAMETOOLONG
        }
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path.utf8) }
        let type = Int32(SOCK_SEQPACKET.rawValue | SOCK_NONBLOCK.rawValue | SOCK_CLOEXEC.rawValue)
        let descriptor = socket(AF_UNIX, type, 0)
        guard descriptor >= 0 else { return -errno }
        let size = socklen_t(MemoryLayout<sockaddr_un>.size)
        let result = withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { address -> Int32 in
                // Nobody may connect before the mode is set.
                guard fchmod(descriptor, 0o600) == 0 else { return -errno }
                if bind(descriptor, address, size) == 0 { return 0 }
                guard errno == EADDRINUSE else { return -errno }
                // One that nobody listens on any more is left of an agent that was killed.
                let probe = socket(AF_UNIX, type, 0)
                defer { close(probe) }
                guard connect(probe, address, size) < 0, errno == ECONNREFUSED else { return -EADDRINUSE }
                unlink(path)
                return bind(descriptor, address, size) == 0 ? 0 : -errno
            }
        }
        if result == 0, Glibc.listen(descriptor, 128) == 0 { return descriptor }
        let error = result != 0 ? result : -errno
        close(descriptor)
        return error
    }

    /// SO_PEERCRED.
    static func credentials(_ descriptor: Int32) -> (process: Int32, user: UInt32)? {
        var value: (Int32, UInt32, UInt32) = (0, 0, 0)
        var length = socklen_t(12)
        guard getsockopt(descriptor, SOL_SOCKET, SO_PEERCRED, &value, &length) == 0, length == 12 else { return nil }
        return (value.0, value.1)
    }

    static func cookie(_ descriptor: Int32) -> UInt64? {
        var value: UInt64 = 0
        var length = socklen_t(8)
        return getsockopt(descriptor, SOL_SOCKET, 57 /* SO_COOKIE */, &value, &length) == 0 ? value : nil
    }

    /// Whether a descriptor is an AF_UNIX socket of a type.
    static func isUnixSocket(_ descriptor: Int32, _ type: __socket_type) -> Bool {
        option(descriptor, SO_DOMAIN) == AF_UNIX && option(descriptor, SO_TYPE) == Int32(type.rawValue)
    }

    /// Whether a socket's far end has a name, as a listener's have.
    static func isNamed(_ descriptor: Int32) -> Bool {
        var address = sockaddr_un()
        var length = socklen_t(MemoryLayout<sockaddr_un>.size)
        let result = withUnsafeMutablePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { getpeername(descriptor, $0, &length) }
        }
        return result != 0 || length > 2
    }

    private static func option(_ descriptor: Int32, _ name: Int32) -> Int32 {
        var value: Int32 = -1
        var length = socklen_t(4)
        return getsockopt(descriptor, SOL_SOCKET, name, &value, &length) == 0 ? value : -1
    }

    /// A file descriptor of a character device: a real one of /dev/xen, not a simulated one.
    static func isDevice(_ descriptor: Int32) -> Bool {
        var status = stat()
        return fstat(descriptor, &status) == 0 && status.st_mode & S_IFMT == S_IFCHR
    }
}

/// A frame that is being written.
struct FrameBuilder {
    private(set) var bytes: [UInt8] = []

    init(_ kind: SessionFrame.Kind, argument: UInt32) {
        append(kind.rawValue)
        append(argument)
    }

    mutating func append(_ value: UInt32) { withUnsafeBytes(of: value.littleEndian) { bytes.append(contentsOf: $0) } }
    mutating func append(_ value: UInt64) { withUnsafeBytes(of: value.littleEndian) { bytes.append(contentsOf: $0) } }

    mutating func append(node name: StaticString, _ value: String) {
        bytes.append(contentsOf: "\(name)".utf8)
        bytes.append(0)
        bytes.append(contentsOf: value.utf8)
        bytes.append(0)
    }
}

/// The nodes of a STORE frame.
struct FrameNodes {
    private var values: [String: String] = [:]

    /// - Returns: nil if the bytes are no `name NUL value NUL` pairs.
    init?(_ bytes: UnsafeRawBufferPointer) {
        guard bytes.isEmpty || bytes[bytes.count - 1] == 0 else { return nil }
        let words = bytes.dropLast().split(separator: 0, omittingEmptySubsequences: false)
        guard bytes.isEmpty || words.count % 2 == 0, words.count <= 64 else { return nil }
        for index in stride(from: 0, to: words.count - words.count % 2, by: 2) {
            values[String(decoding: words[index], as: UTF8.self)] = String(decoding: words[index + 1], as: UTF8.self)
        }
    }

    subscript(_ name: StaticString) -> String? { values["\(name)"] }
}
