import Glibc

/// The kernel's words for an errno value.
func describe(_ error: Int32) -> String {
    String(cString: strerror(error))
}

/// The value of an environment variable; an empty one counts as absent.
func environmentValue(_ name: String) -> String? {
    guard let value = getenv(name), value.pointee != 0 else { return nil }
    return String(cString: value)
}

/// What `stat(2)` says about a path.
func status(of path: String) -> stat? {
    var status = stat()
    return stat(path, &status) == 0 ? status : nil
}

extension stat {
    var isDirectory: Bool { st_mode & S_IFMT == S_IFDIR }
    var isRegular: Bool { st_mode & S_IFMT == S_IFREG }
}

/// An absolute path for a path of the command line: what starts elsewhere must find the same file.
/// The path is not resolved, so it may end in a file that does not exist.
public func absolutePath(_ path: String) -> String {
    if path.hasPrefix("/") { return path }
    guard let directory = getcwd(nil, 0) else { return path }
    defer { free(directory) }
    return String(cString: directory) + "/" + path
}

/// Sets a variable for the command.
func setEnvironment(_ name: String, _ value: String) {
    setenv(name, value, 1)
}
