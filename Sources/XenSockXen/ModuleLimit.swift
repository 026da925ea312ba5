import Glibc

/// The parameter `limit` of a kernel module, in pages.
struct ModuleLimit {
    let module: String

    private var path: String { "/sys/module/\(module)/parameters/limit" }

    /// nil if the module is not there, or not a number.
    var value: Int? {
        let file = open(path, O_RDONLY | O_CLOEXEC)
        guard file >= 0 else { return nil }
        defer { close(file) }
        var text = [UInt8](repeating: 0, count: 32)
        let count = read(file, &text, text.count)
        guard count > 0 else { return nil }
        return Int(String(decoding: text[..<count], as: UTF8.self).prefix { $0 != "\n" })
    }

    /// - Returns: an error number, or 0.
    func set(_ pages: Int) -> Int32 {
        let file = open(path, O_WRONLY | O_CLOEXEC)
        guard file >= 0 else { return errno }
        defer { close(file) }
        let text = "\(pages)\n"
        return write(file, text, text.utf8.count) == text.utf8.count ? 0 : errno
    }
}
