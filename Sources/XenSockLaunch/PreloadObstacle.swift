import CXenSockLaunch
import Glibc

/// Why LD_PRELOAD would not put the library between a program and its sockets (ld.so(8)).
public enum PreloadObstacle: Equatable, Sendable {
    /// The program is executed with more rights than the caller's, so the loader ignores LD_PRELOAD.
    case setUserID, setGroupID, fileCapabilities
    /// No dynamic loader runs.
    case staticallyLinked
    /// Not for this machine; the reason, as half a sentence.
    case foreign(String)
    /// A loader of musl, which cannot load a library for glibc.
    case musl(loader: String)
    /// Go's runtime makes its system calls itself.
    case goRuntime

    /// A sentence without subject, for "FILE …".
    public var reason: String {
        switch self {
        case .setUserID: "is set-user-ID, and the loader ignores LD_PRELOAD for such a program"
        case .setGroupID: "is set-group-ID, and the loader ignores LD_PRELOAD for such a program"
        case .fileCapabilities: "has file capabilities, and the loader ignores LD_PRELOAD for such a program"
        case .staticallyLinked: "is statically linked, so no loader runs that could load a library"
        case .foreign(let what): "cannot load the library: \(what)"
        case .musl(let loader): "is linked with musl (\(loader)), which cannot load a library made for glibc"
        case .goRuntime: "is a Go program, whose runtime makes system calls without the C library"
        }
    }

    /// What to do about it: a sentence without its full stop.
    public var wayOut: String {
        switch self {
        case .setUserID, .setGroupID:
            "Run it as the user or group that it belongs to, or run a copy without the mode bit as one with its rights"
        case .fileCapabilities: "Run it as root, or run a copy, which has no capabilities, as one with its rights"
        case .staticallyLinked: "Install or build it dynamically linked"
        case .foreign: "Install it for this machine"
        case .musl: "Install or build it for glibc"
        case .goRuntime: "Reach it through a program that loads the library, such as a proxy"
        }
    }
}

/// A program that does not get the library, and why.
public struct UnsuitableProgram: Equatable, Sendable {
    /// The file that was looked at last: the command or, for a script, its interpreter.
    public let path: String
    public let obstacle: PreloadObstacle
}

/// Says whether the loader would load the preload library into a program. Scripts are followed to their interpreter, as
/// the kernel does, and through `env NAME`.
///
/// What cannot be read or is no program is let pass: executing it gives the true error.
///
/// - Parameters:
///   - path: a file that this process may execute.
///   - searchPath: PATH, for `env`.
///   - userID, groupID: the real ids the program will be executed with.
public func unsuitableProgram(
    at path: String, searchPath: String?, userID: uid_t = getuid(), groupID: gid_t = getgid()
) -> UnsuitableProgram? {
    // The kernel follows no longer chain of interpreters.
    let chainLimit = 6
    var path = path
    for _ in 0..<chainLimit {
        guard let file = ExecutableFile(path: path) else { return nil }
        if let image = ELFImage(of: file) {
            // glibc's loader as a command loads the library with the program that it is given.
            if image.interpreter == nil, image.type == UInt16(ET_DYN), isLoader(path) { return nil }
            return obstacle(of: image, in: file, userID: userID, groupID: groupID)
                .map { UnsuitableProgram(path: path, obstacle: $0) }
        }
        let start = file.bytes(at: 0, count: 256)
        guard let interpreter = scriptInterpreter(start, searchPath: searchPath) else { return nil }
        path = interpreter
    }
    return nil
}

private func isLoader(_ path: String) -> Bool {
    let name = path[(path.lastIndex(of: "/").map { path.index(after: $0) } ?? path.startIndex)...]
    return name.hasPrefix("ld-linux") || name == "ld.so"
}

private func obstacle(
    of image: ELFImage, in file: borrowing ExecutableFile, userID: uid_t, groupID: gid_t
) -> PreloadObstacle? {
    if case .foreign(let what) = image.format { return .foreign(what) }
    guard let loader = image.interpreter else { return .staticallyLinked }
    if let attributes = file.attributes {
        if attributes.st_mode & S_ISUID != 0, attributes.st_uid != userID { return .setUserID }
        // Without the group's execute bit, set-group-ID asks for mandatory locking.
        let setGroupID = S_ISGID | S_IXGRP
        if attributes.st_mode & setGroupID == setGroupID, attributes.st_gid != groupID { return .setGroupID }
    }
    // Root has what the file would add, and so keeps LD_PRELOAD.
    if userID != 0, file.hasCapabilities { return .fileCapabilities }
    if loader.contains("/ld-musl") { return .musl(loader: loader) }
    if image.isGo { return .goRuntime }
    return nil
}

/// Whether a file begins like a text, which execvp(3) may give to the shell.
func isText(_ path: String) -> Bool {
    guard let file = ExecutableFile(path: path) else { return false }
    return !file.bytes(at: 0, count: 256).contains(0)
}

/// The program that runs a script: the one behind `#!`, the one that `env` looks for, or the shell, to which execvp(3)
/// gives a text without a `#!` line.
func scriptInterpreter(_ start: [UInt8], searchPath: String?) -> String? {
    guard start.starts(with: Array("#!".utf8)) else { return start.contains(0) ? nil : "/bin/sh" }
    let line = start.dropFirst(2).prefix { $0 != UInt8(ascii: "\n") && $0 != 0 }
    let words = String(decoding: line, as: UTF8.self).split(maxSplits: 1) { $0 == " " || $0 == "\t" }
    guard let interpreter = words.first.map(String.init) else { return nil }
    if interpreter.hasSuffix("/env"), words.count == 2, let name = commandOfEnv(words[1]) {
        return try? findCommand(name, searchPath: searchPath)
    }
    return interpreter
}

/// The command in what a `#!` line gives to env(1): one word, or with `-S` several, of which options and variables come
/// first. Nil where the words need more of env's rules than that.
private func commandOfEnv(_ argument: Substring) -> String? {
    var words = argument.split { $0 == " " || $0 == "\t" }[...]
    guard let first = words.first else { return nil }
    let splits = ["-S", "-vS", "--split-string"].contains(first)
    if splits {
        words.removeFirst()
    } else if words.count > 1 {
        // The kernel hands over one argument: env looks for a program with spaces in its name.
        return nil
    }
    while let word = words.first, splits, ["-i", "-", "--ignore-environment"].contains(word) || word.contains("=") {
        words.removeFirst()
    }
    guard let name = words.first, !name.hasPrefix("-"), !name.contains(where: { "=\"'\\$".contains($0) }) else {
        return nil
    }
    return String(name)
}
