import CXenSockLaunch
import Glibc

/// Where the preload library and the service are: beside the command line, as `make build` and `make install` put them,
/// unless the environment names others.
public struct Installation: Equatable, Sendable {
    /// The preload library, an absolute path.
    public let library: String
    /// The service's program, an absolute path; nil where none was found.
    public let service: String?

    /// Finds both.
    ///
    /// - Parameter executable: the path of the running `xensock`, absolute and without symbolic links.
    /// - Throws: if there is no library that the loader could load: it would go on without one, on the kernel's network.
    public init(executable: String = runningExecutable()) throws(LaunchError) {
        let directory = executable.lastIndex(of: "/").map { String(executable[..<$0]) } ?? "."
        let library =
            environmentValue("XENSOCK_LIBRARY").map(absolutePath)
            ?? Self.parent(of: directory) + "/lib/libxensock.so"
        try Self.checkLibrary(library)
        self.library = library
        if let named = environmentValue("XENSOCK_SERVICE") {
            service = absolutePath(named)
        } else {
            service = ["\(directory)/xensockd", "\(Self.parent(of: directory))/bin/xensockd"]
                .first { access($0, X_OK) == 0 }
        }
    }

    private static func parent(of directory: String) -> String {
        directory.lastIndex(of: "/").map { String(directory[..<$0]) } ?? ".."
    }

    private static func checkLibrary(_ path: String) throws(LaunchError) {
        // LD_PRELOAD is a list that both characters separate, and there is no way to quote them.
        if path.contains(where: { $0 == " " || $0 == ":" }) {
            throw LaunchError("\(path): LD_PRELOAD cannot name a path with a space or a colon")
        }
        guard let file = ExecutableFile(path: path) else {
            let reason = describe(errno)
            throw LaunchError("cannot open the preload library \(path): \(reason); XENSOCK_LIBRARY names another")
        }
        guard let image = ELFImage(of: file), image.format == .native, image.type == UInt16(ET_DYN) else {
            throw LaunchError("\(path) is not a shared library of this machine")
        }
    }
}

/// The path of the running program (`/proc/self/exe`).
public func runningExecutable() -> String {
    var path = [UInt8](repeating: 0, count: Int(PATH_MAX))
    let length = path.withUnsafeMutableBytes {
        readlink("/proc/self/exe", $0.baseAddress!.assumingMemoryBound(to: CChar.self), $0.count)
    }
    return String(decoding: path.prefix(max(length, 0)), as: UTF8.self)
}

/// The value of LD_PRELOAD that loads `library` before everything that was preloaded already.
public func preloadList(adding library: String, to inherited: String?) -> String {
    let others = (inherited ?? "").split { $0 == " " || $0 == ":" }.filter { $0 != library }
    return ([library[...]] + others).joined(separator: ":")
}
