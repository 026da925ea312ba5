import CXenSockPreload
import XenSockFrontend

// Sockets that a program without this library inherits are relayed before it begins; programs with it find theirs by
// themselves. A program whose environment was made anew gets the library's variables too (`Frontend.completing`).

/// execve(2).
@c @implementation
public func xsExecve(
    _ path: UnsafePointer<CChar>?, _ arguments: Frontend.Strings?, _ environment: Frontend.Strings?
) -> Int32 {
    Frontend.completing(environment) { environment in
        Frontend.willExecute(path, environment: environment)
        return xsNextExecve(path, arguments, environment)
    }
}

/// execv(3).
@c @implementation
public func xsExecv(_ path: UnsafePointer<CChar>?, _ arguments: Frontend.Strings?) -> Int32 {
    xsExecve(path, arguments, xsEnvironment())
}

/// execvp(3).
@c @implementation
public func xsExecvp(_ file: UnsafePointer<CChar>?, _ arguments: Frontend.Strings?) -> Int32 {
    xsExecvpe(file, arguments, xsEnvironment())
}

/// execvpe(3).
@c @implementation
public func xsExecvpe(
    _ file: UnsafePointer<CChar>?, _ arguments: Frontend.Strings?, _ environment: Frontend.Strings?
) -> Int32 {
    Frontend.completing(environment) { environment in
        Frontend.willExecute(file, isSearched: true, environment: environment)
        return xsNextExecvpe(file, arguments, environment)
    }
}

/// fexecve(3).
@c @implementation
public func xsFexecve(_ fd: Int32, _ arguments: Frontend.Strings?, _ environment: Frontend.Strings?) -> Int32 {
    Frontend.completing(environment) { environment in
        Frontend.willExecute(descriptor: fd, environment: environment)
        return xsNextFexecve(fd, arguments, environment)
    }
}

/// execveat(2).
@c @implementation
public func xsExecveat(
    _ directory: Int32, _ path: UnsafePointer<CChar>?, _ arguments: Frontend.Strings?,
    _ environment: Frontend.Strings?, _ flags: Int32
) -> Int32 {
    let emptyPath: Int32 = 0x1000
    return Frontend.completing(environment) { environment in
        if let path, path[0] == 0, flags & emptyPath != 0 {
            Frontend.willExecute(descriptor: directory, environment: environment)
        } else {
            Frontend.willExecute(path, directory: directory, environment: environment)
        }
        return xsNextExecveat(directory, path, arguments, environment, flags)
    }
}

/// posix_spawn(3).
@c @implementation
public func xsPosixSpawn(
    _ child: UnsafeMutablePointer<pid_t>?, _ path: UnsafePointer<CChar>?, _ actions: UnsafeRawPointer?,
    _ attributes: UnsafeRawPointer?, _ arguments: Frontend.Strings?, _ environment: Frontend.Strings?
) -> Int32 {
    Frontend.completing(environment) { environment in
        Frontend.willExecute(path, environment: environment, actions: actions)
        return xsNextPosixSpawn(child, path, actions, attributes, arguments, environment)
    }
}

/// posix_spawnp(3).
@c @implementation
public func xsPosixSpawnp(
    _ child: UnsafeMutablePointer<pid_t>?, _ file: UnsafePointer<CChar>?, _ actions: UnsafeRawPointer?,
    _ attributes: UnsafeRawPointer?, _ arguments: Frontend.Strings?, _ environment: Frontend.Strings?
) -> Int32 {
    Frontend.completing(environment) { environment in
        Frontend.willExecute(file, isSearched: true, environment: environment, actions: actions)
        return xsNextPosixSpawnp(child, file, actions, attributes, arguments, environment)
    }
}

/// system(3).
@c @implementation
public func xsSystem(_ command: UnsafePointer<CChar>?) -> Int32 {
    if command != nil { willRunShell() }
    return xsNextSystem(command)
}

/// popen(3).
@c @implementation
public func xsPopen(_ command: UnsafePointer<CChar>?, _ mode: UnsafePointer<CChar>?) -> UnsafeMutablePointer<FILE>? {
    willRunShell()
    return xsNextPopen(command, mode)
}

/// What the shell runs is the shell's to look at.
private func willRunShell() {
    let shell: StaticString = "/bin/sh"
    Frontend.willExecute(
        UnsafeRawPointer(shell.utf8Start).assumingMemoryBound(to: CChar.self), environment: xsEnvironment())
}
