import CXenSockSystem
import XenSockPlatform
import XenSockWire

/// What happens to sockets when another program takes a process over (execve(2), posix_spawn(3)). One that loads this
/// library finds them by their descriptors; for one that cannot they are relayed.
extension Frontend {
    public typealias Strings = UnsafePointer<UnsafeMutablePointer<CChar>?>

    /// Notes how the library was loaded, which `willExecute` needs.
    static func noteOwnPreload() {
        xs_get_process_state().pointee.preloaded = ProgramCheck.isPreloaded() ? 1 : 0
    }

    /// A program is about to be executed.
    ///
    /// - Parameters:
    ///   - directory: where a relative path begins; AT_FDCWD.
    ///   - isSearched: the name is looked for in PATH if it has no slash.
    ///   - environment: the new program's.
    ///   - actions: the posix_spawn_file_actions_t, or nil.
    public static func willExecute(
        _ path: UnsafePointer<CChar>?, directory: Int32 = Int32(AT_FDCWD), isSearched: Bool = false,
        environment: Strings?, actions: UnsafeRawPointer? = nil
    ) {
        guard let path, UserMemory.isAccessible(path, 1, writing: false), path[0] != 0 else { return }
        if ProgramCheck.keepsLibrary(environment) {
            if isSearched, strchr(path, 0x2f) == nil {
                guard !isFoundSuitable(path) else { return }
            } else if ProgramCheck.isSuitable(directory, path) {
                return
            }
        }
        relayInheritable(path)
        relaySpawned(actions, path)
    }

    /// As for a path, of the file behind a descriptor.
    public static func willExecute(descriptor: Int32, environment: Strings?) {
        guard descriptor >= 0 else { return }
        withUnsafeTemporaryAllocation(byteCount: 32, alignment: 1) { buffer in
            let prefix: StaticString = "/proc/self/fd/"
            let path = buffer.baseAddress!.assumingMemoryBound(to: CChar.self)
            memcpy(path, prefix.utf8Start, prefix.utf8CodeUnitCount)
            var digits = 1
            var rest = descriptor
            while rest >= 10 {
                rest /= 10
                digits &+= 1
            }
            rest = descriptor
            path[prefix.utf8CodeUnitCount &+ digits] = 0
            while digits > 0 {
                digits &-= 1
                path[prefix.utf8CodeUnitCount &+ digits] = CChar(0x30 &+ rest % 10)
                rest /= 10
            }
            willExecute(path, environment: environment)
        }
    }

    /// Whether the program that execvp(3) finds in PATH loads the library.
    private static func isFoundSuitable(_ name: UnsafePointer<CChar>) -> Bool {
        withUnsafeTemporaryAllocation(byteCount: 1024, alignment: 1) { buffer -> Bool in
            let path = buffer.baseAddress!.assumingMemoryBound(to: CChar.self)
            let nameSize = strlen(name) &+ 1
            let fallback: StaticString = "/bin:/usr/bin"
            var list = UnsafePointer(getenv("PATH"))
            if list == nil { fallback.withLiteral { list = $0 } }
            guard var next = list else { return true }
            while true {
                let size = strcspn(next, ":")
                if size &+ 1 &+ nameSize <= buffer.count {
                    memcpy(path, next, size)
                    var length = size
                    if size > 0 {
                        path[length] = 0x2f
                        length &+= 1
                    }
                    memcpy(path + length, name, nameSize)
                    let access = Kernel.call(Int(SYS_faccessat), Int(AT_FDCWD), Int(bitPattern: path), Int(X_OK))
                    if access == 0 { return ProgramCheck.isSuitable(Int32(AT_FDCWD), path) }
                }
                if next[size] == 0 { return true }
                next += size + 1
            }
        }
    }

    /// Relays every socket that stays open over the execution.
    private static func relayInheritable(_ program: UnsafePointer<CChar>) {
        // In a vfork(2) child what the table does not know cannot be found out: the table is the parent's.
        let isBorrowed = Session.isBorrowed
        let known = ProcessState.region.map { Int32(bitPattern: ProcessState.highest($0)) } ?? -1
        // Sockets that this process inherited and never touched.
        let last = isBorrowed ? known : max(known, Int32(min(Limits.descriptors, 1024)) &- 1)
        var fd: Int32 = 0
        while fd <= last {
            let entry = Descriptors.entry(fd)
            if entry.isSocket || (entry == .unknown && !isBorrowed) {
                let flags = Kernel.fileControl(fd, Int32(F_GETFD), 0)
                if flags >= 0, flags & Int(FD_CLOEXEC) == 0, let handle = find(fd) { hand(handle, to: program) }
            }
            fd &+= 1
        }
    }

    /// Relays the sockets that posix_spawn(3)'s actions duplicate. glibc's list is an array of 32-byte entries: what to do
    /// at 0 (1: dup2), the descriptor at 8.
    private static func relaySpawned(_ actions: UnsafeRawPointer?, _ program: UnsafePointer<CChar>) {
        guard let actions, let list = actions.load(fromByteOffset: 8, as: UnsafeRawPointer?.self) else { return }
        let count = Int(actions.load(fromByteOffset: 4, as: Int32.self))
        var index = 0
        while index < count {
            let entry = list + index &* 32
            if entry.load(as: Int32.self) == 1, let handle = find(entry.load(fromByteOffset: 8, as: Int32.self)) {
                hand(handle, to: program)
            }
            index &+= 1
        }
    }

    private static func hand(_ handle: SocketHandle, to program: UnsafePointer<CChar>) {
        let result = relay(handle)
        if result == 0 { return }
        if handle.isListening || result == -Int(EOPNOTSUPP) { Report.useless(handle, in: program) }
    }
}
