import Glibc

/// What a descriptor is open on. Other tests of the process take a closed number again at once, so that `fcntl(F_GETFD)`
/// does not tell whether it was closed.
public struct FileIdentity: Equatable {
    private let device: dev_t
    private let inode: ino_t

    /// Nil if the number is not open.
    public init?(_ descriptor: Int32) {
        var status = stat()
        guard fstat(descriptor, &status) == 0 else { return nil }
        device = status.st_dev
        inode = status.st_ino
    }
}
