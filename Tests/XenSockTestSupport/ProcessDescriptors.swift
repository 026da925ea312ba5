import Glibc

/// How many pidfds this process has.
public func processDescriptors() -> Int {
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
        if String(decoding: bytes, as: UTF8.self).contains("pidfd") { count += 1 }
    }
    return count
}
