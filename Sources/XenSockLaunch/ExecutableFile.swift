import CXenSockLaunch
import Glibc

/// A file that is open for reading, closed with the value.
struct ExecutableFile: ~Copyable {
    private let descriptor: Int32

    /// Nil where the file cannot be opened; errno says why.
    init?(path: String) {
        let opened = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY)
        if opened < 0 { return nil }
        descriptor = opened
    }

    deinit { close(descriptor) }

    /// Up to `count` bytes from `offset`: fewer at the end of the file, none on an error.
    func bytes(at offset: UInt64, count: Int) -> [UInt8] {
        guard count > 0, let start = off_t(exactly: offset) else { return [] }
        return [UInt8](unsafeUninitializedCapacity: count) { buffer, filled in
            while filled < count {
                let more = pread(descriptor, buffer.baseAddress! + filled, count - filled, start &+ off_t(filled))
                if more < 0, errno == EINTR { continue }
                if more <= 0 { return }
                filled += more
            }
        }
    }

    /// Whether the file carries capabilities (`security.capability`, see capabilities(7)).
    var hasCapabilities: Bool {
        xs_capabilities_size(descriptor) > 0
    }

    /// Owner, group and mode, or nil if the kernel does not tell.
    var attributes: stat? {
        var attributes = stat()
        return fstat(descriptor, &attributes) == 0 ? attributes : nil
    }
}
