import CXenSockLaunch
import Glibc

/// Whether programs may use io_uring(7). Its operations on sockets pass the library by, and no library can see them: what
/// asks for them is memory that the kernel reads.
public enum IOUring: String, CaseIterable, Sendable {
    case allow
    case deny
}

/// Makes io_uring_setup(2) fail with ENOSYS for this process and its descendants; those that have other ways use them. A
/// caller without the privilege to filter system calls (CAP_SYS_ADMIN, which a user has in a namespace of its own) gives up
/// that set-user-ID programs and capabilities of files add rights.
///
/// - Throws: where the kernel cannot filter system calls.
func forbidIOUring() throws(LaunchError) {
    var result = xs_forbid_io_uring(0)
    if result == -EACCES { result = xs_forbid_io_uring(1) }
    if result == 0 { return }
    throw LaunchError(
        "cannot keep programs from io_uring: \(describe(-result))\n"
            + "hint: --io-uring allow leaves it to them; their socket operations through it fail or lose data")
}
