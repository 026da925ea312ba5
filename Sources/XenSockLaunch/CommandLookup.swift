import Glibc

/// Finds the file that `execvp(3)` would execute for a command.
///
/// - Parameters:
///   - command: a path if it has a slash, otherwise a name to look for.
///   - searchPath: the value of PATH; `nil` means glibc's default, `/bin:/usr/bin`.
/// - Returns: a path with at least one slash.
/// - Throws: `LaunchError` with status 127 if there is no such file, 126 if there is one that cannot be executed.
public func findCommand(_ command: String, searchPath: String?) throws(LaunchError) -> String {
    if command.contains("/") {
        if let refusal = refusalToExecute(command) {
            throw LaunchError(exitStatus: refusal.status, "\(command): \(refusal.reason)")
        }
        return command
    }
    if command.isEmpty { throw LaunchError(exitStatus: LaunchError.notFound, "the command is empty") }
    var refused: (path: String, reason: String)?
    let directories = (searchPath ?? "/bin:/usr/bin").split(separator: ":", omittingEmptySubsequences: false)
    for directory in directories {
        // An empty element of PATH is the working directory.
        let candidate = (directory.isEmpty ? "." : directory) + "/" + command
        guard let refusal = refusalToExecute(candidate) else { return candidate }
        if refusal.status == LaunchError.notExecutable, refused == nil { refused = (candidate, refusal.reason) }
    }
    if let refused {
        throw LaunchError(exitStatus: LaunchError.notExecutable, "\(refused.path): \(refused.reason)")
    }
    throw LaunchError(exitStatus: LaunchError.notFound, "\(command): command not found")
}

/// Why this process may not execute a file, or nil.
private func refusalToExecute(_ path: String) -> (status: Int32, reason: String)? {
    guard let file = status(of: path) else {
        let error = errno
        let missing = error == ENOENT || error == ENOTDIR
        return (missing ? LaunchError.notFound : LaunchError.notExecutable, describe(error))
    }
    if file.isDirectory { return (LaunchError.notExecutable, describe(EISDIR)) }
    if access(path, X_OK) != 0 { return (LaunchError.notExecutable, describe(errno)) }
    return nil
}
