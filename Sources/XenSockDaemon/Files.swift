import Glibc

/// A system call that failed: `description` is the C library's text.
struct SystemError: Error, Equatable, CustomStringConvertible {
    let number: Int32

    init(_ number: Int32 = errno) { self.number = number }

    var description: String { String(cString: strerror(number)) }
}

/// What is wrong with the content of a file.
struct FileError: Error, CustomStringConvertible {
    let description: String
}

/// Reads a whole file.
///
/// - Throws: ``SystemError``, or ``FileError`` for a file longer than `maximumLength` bytes.
func readFile(_ path: String, maximumLength: Int) throws -> [UInt8] {
    let descriptor = open(path, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else { throw SystemError() }
    defer { close(descriptor) }
    var bytes: [UInt8] = []
    var part = [UInt8](repeating: 0, count: 16384)
    while true {
        let count = read(descriptor, &part, part.count)
        if count < 0, errno == EINTR { continue }
        guard count >= 0 else { throw SystemError() }
        if count == 0 { return bytes }
        bytes += part.prefix(count)
        if bytes.count > maximumLength { throw FileError(description: "is longer than \(maximumLength) bytes") }
    }
}

/// Writes all bytes, as far as the reader takes them; used where a failure has nobody to be told to.
package func writeAll(_ descriptor: Int32, _ text: String) {
    var rest = Array(text.utf8)[...]
    while !rest.isEmpty {
        let count = rest.withUnsafeBytes { write(descriptor, $0.baseAddress, $0.count) }
        if count < 0, errno == EINTR { continue }
        if count <= 0 { return }
        rest = rest.dropFirst(count)
    }
}

/// An environment variable, nil if it is unset or empty.
package func environment(_ name: String) -> String? {
    guard let value = getenv(name), value.pointee != 0 else { return nil }
    return String(cString: value)
}
