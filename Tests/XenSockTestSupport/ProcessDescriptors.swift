import Glibc

/// How many descriptors of this process are as `matches` says of what `/proc/self/fd` shows: a path, or `/memfd:NAME`; -1 if
/// there is no such directory.
public func countDescriptors(where matches: (String) -> Bool) -> Int {
    guard let directory = opendir("/proc/self/fd") else { return -1 }
    defer { closedir(directory) }
    var count = 0
    while let entry = readdir(directory) {
        let name = withUnsafePointer(to: &entry.pointee.d_name) {
            $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
        }
        var target = [CChar](repeating: 0, count: 64)
        let length = readlink("/proc/self/fd/" + name, &target, 63)
        let bytes = target[..<max(0, length)].map { UInt8(bitPattern: $0) }
        if matches(String(decoding: bytes, as: UTF8.self)) { count += 1 }
    }
    return count
}

/// How many pidfds this process has.
public func processDescriptors() -> Int { countDescriptors { $0.contains("pidfd") } }
