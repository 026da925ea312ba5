import Glibc

/// A socket pair whose one end is held by the command and all its descendants: its hang-up tells the private service that
/// the last of them has gone, and it is a way in for those that have changed user or root meanwhile
/// (docs/PROTOCOL.md, 3.1, DOOR).
struct Lifeline {
    /// For the service; closed on exec.
    let readingEnd: Int32
    /// For the command: not closed on exec, and high, out of the way of programs that choose low numbers.
    let writingEnd: Int32

    /// The number of the writing end where the limit of descriptors allows it: out of the way, yet not so high that
    /// every fork(2) copies a large table.
    static let preferredDescriptor: Int32 = 8100

    init() throws(LaunchError) {
        let pipe = try Pipe(connected: true)
        readingEnd = pipe.readingEnd
        writingEnd = Self.high(pipe.writingEnd)
        let error = errno
        close(pipe.writingEnd)
        if writingEnd < 0 { throw LaunchError("cannot keep a descriptor for the service: \(describe(error))") }
    }

    /// A copy without close-on-exec of a descriptor, at the preferred number or as high as RLIMIT_NOFILE allows.
    private static func high(_ descriptor: Int32) -> Int32 {
        var limit = rlimit()
        getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
        // A few numbers are left above it: a neighbour may hold the very last.
        let highest = Int32(clamping: limit.rlim_cur) - 8
        return fcntl(descriptor, F_DUPFD, max(3, min(preferredDescriptor, highest)))
    }
}

/// A pipe whose ends are closed on exec and are none of the standard descriptors, even where those are closed.
struct Pipe {
    let readingEnd: Int32
    let writingEnd: Int32

    /// - Parameter connected: make it a SOCK_SEQPACKET pair instead.
    init(connected: Bool = false) throws(LaunchError) {
        var ends: [Int32] = [-1, -1]
        let type = Int32(SOCK_SEQPACKET.rawValue)
        let result = connected ? socketpair(AF_UNIX, type, 0, &ends) : pipe(&ends)
        guard result == 0 else { throw LaunchError("cannot make a pipe: \(describe(errno))") }
        let moved = ends.map { fcntl($0, F_DUPFD_CLOEXEC, 3) }
        let error = errno
        ends.forEach { close($0) }
        guard moved.allSatisfy({ $0 >= 0 }) else { throw LaunchError("cannot make a pipe: \(describe(error))") }
        readingEnd = moved[0]
        writingEnd = moved[1]
    }
}
