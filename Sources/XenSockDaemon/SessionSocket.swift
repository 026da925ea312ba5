import Glibc

/// The listening session socket and its file. One service listens at one path.
package struct SessionSocket {
    /// Non-blocking, close-on-exec, listening.
    let descriptor: Int32
    let path: String
    private let device: dev_t
    private let inode: ino_t

    /// XENSOCK_SOCKET, as root /run/xensock/xensock.sock, otherwise xensock/xensock.sock in the user's runtime directory.
    package static func defaultPath() throws(DaemonError) -> String {
        if let path = environment("XENSOCK_SOCKET") { return path }
        if geteuid() == 0 { return "/run/xensock/xensock.sock" }
        guard let directory = environment("XDG_RUNTIME_DIR") else {
            throw DaemonError("XDG_RUNTIME_DIR is not set; say with --socket where to listen")
        }
        return directory + "/xensock/xensock.sock"
    }

    /// Makes the socket: its directory, if only that is missing, and the file, in place of one that a dead service left.
    init(path: String) throws(DaemonError) {
        guard var address = UnixAddress(path), path.hasPrefix("/") else {
            throw DaemonError("--socket \(path): must be an absolute path of at most 107 bytes")
        }
        self.path = path
        let isRoot = geteuid() == 0
        let directory = Self.directory(of: path)
        if mkdir(directory, isRoot ? 0o755 : 0o700) != 0, errno != EEXIST {
            throw DaemonError(
                "cannot make the directory \(directory): \(SystemError()); make it, or choose another --socket")
        }
        // Two services that start at once must not each take the other's file for a dead one's. The lock goes with the
        // descriptor.
        let lock = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard lock >= 0, flock(lock, LOCK_EX) == 0 else {
            throw DaemonError("cannot lock the directory \(directory): \(SystemError())")
        }
        defer { close(lock) }
        try Self.clear(path, &address)
        descriptor = socket(AF_UNIX, Int32(SOCK_SEQPACKET.rawValue) | closeOnExec | Int32(SOCK_NONBLOCK.rawValue), 0)
        guard descriptor >= 0 else { throw DaemonError("cannot make a socket: \(SystemError())") }
        let descriptor = descriptor
        // bind(2) takes the mode over; umask(2) is the whole process's, and every child's that another thread makes.
        guard fchmod(descriptor, 0o600) == 0, address.withPointer({ bind(descriptor, $0, $1) }) == 0 else {
            let failure = SystemError()
            close(descriptor)
            throw DaemonError("cannot bind \(path): \(failure)")
        }
        var status = stat()
        // Everyone may connect to root's service: it looks at who does, by SO_PEERCRED.
        guard chmod(path, isRoot ? 0o666 : 0o600) == 0, lstat(path, &status) == 0, listen(descriptor, 4096) == 0 else {
            let failure = SystemError()
            unlink(path)
            close(descriptor)
            throw DaemonError("cannot listen at \(path): \(failure)")
        }
        device = status.st_dev
        inode = status.st_ino
    }

    /// Removes the file, unless another one has taken its place.
    ///
    /// - Parameter withDirectory: also the directory, if it is then empty.
    func remove(withDirectory: Bool) {
        let directory = Self.directory(of: path)
        let lock = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        if lock >= 0 { flock(lock, LOCK_EX) }
        var status = stat()
        if lstat(path, &status) == 0, status.st_dev == device, status.st_ino == inode { unlink(path) }
        if withDirectory { rmdir(directory) }
        if lock >= 0 { close(lock) }
    }

    /// Removes the file of a dead service; anything else at the path is an error.
    private static func clear(_ path: String, _ address: inout UnixAddress) throws(DaemonError) {
        var status = stat()
        guard lstat(path, &status) == 0 else {
            if errno == ENOENT { return }
            throw DaemonError("cannot look at \(path): \(SystemError())")
        }
        guard status.st_mode & S_IFMT == S_IFSOCK else {
            throw DaemonError("\(path) exists and is no socket; remove it or choose another --socket")
        }
        let probe = socket(AF_UNIX, Int32(SOCK_SEQPACKET.rawValue) | closeOnExec | Int32(SOCK_NONBLOCK.rawValue), 0)
        guard probe >= 0 else { throw DaemonError("cannot make a socket: \(SystemError())") }
        defer { close(probe) }
        // EAGAIN: its backlog is full, so it lives.
        if address.withPointer({ connect(probe, $0, $1) }) == 0 || errno == EAGAIN {
            throw DaemonError("another service listens at \(path); stop it or choose another --socket")
        }
        guard errno == ECONNREFUSED else {
            throw DaemonError("\(path) is another program's socket (\(SystemError())); choose another --socket")
        }
        guard unlink(path) == 0 || errno == ENOENT else {
            throw DaemonError("cannot remove the old \(path): \(SystemError())")
        }
    }

    private static func directory(of path: String) -> String {
        let slash = path.lastIndex(of: "/")!
        return slash == path.startIndex ? "/" : String(path[..<slash])
    }
}
