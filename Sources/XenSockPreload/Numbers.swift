import CXenSockPreload
import XenSockFrontend

// Calls that make descriptors of other kinds. What they make is no socket of ours, even if one was closed under the same
// number a moment ago where this library could not see it: by a raw system call, inside of libc, by a vfork(2) child. The
// service tells of that too, by the generation of the status line, but only once it has seen the hang-up.

/// open(2).
@c @implementation
public func xsOpen(_ path: UnsafePointer<CChar>?, _ flags: Int32, _ mode: UInt32) -> Int32 {
    created(xsNextOpen(path, flags, mode))
}

/// openat(2).
@c @implementation
public func xsOpenat(_ directory: Int32, _ path: UnsafePointer<CChar>?, _ flags: Int32, _ mode: UInt32) -> Int32 {
    created(xsNextOpenat(directory, path, flags, mode))
}

/// open(2) of programs built with _FORTIFY_SOURCE.
@c @implementation
public func xsOpen2(_ path: UnsafePointer<CChar>?, _ flags: Int32) -> Int32 { created(xsNextOpen2(path, flags)) }

/// openat(2) of programs built with _FORTIFY_SOURCE.
@c @implementation
public func xsOpenat2(_ directory: Int32, _ path: UnsafePointer<CChar>?, _ flags: Int32) -> Int32 {
    created(xsNextOpenat2(directory, path, flags))
}

/// creat(2).
@c @implementation
public func xsCreat(_ path: UnsafePointer<CChar>?, _ mode: UInt32) -> Int32 { created(xsNextCreat(path, mode)) }

/// pipe(2).
@c @implementation
public func xsPipe(_ pair: UnsafeMutablePointer<Int32>?) -> Int32 { created(xsNextPipe(pair), pair) }

/// pipe2(2).
@c @implementation
public func xsPipe2(_ pair: UnsafeMutablePointer<Int32>?, _ flags: Int32) -> Int32 {
    created(xsNextPipe2(pair, flags), pair)
}

private func created(_ result: Int32, _ pair: UnsafeMutablePointer<Int32>?) -> Int32 {
    if result == 0, let pair {
        _ = created(pair[0])
        _ = created(pair[1])
    }
    return result
}

/// eventfd(2).
@c @implementation
public func xsEventfd(_ value: UInt32, _ flags: Int32) -> Int32 { created(xsNextEventfd(value, flags)) }

/// timerfd_create(2).
@c @implementation
public func xsTimerfdCreate(_ clock: Int32, _ flags: Int32) -> Int32 { created(xsNextTimerfdCreate(clock, flags)) }

/// signalfd(2).
@c @implementation
public func xsSignalfd(_ fd: Int32, _ mask: UnsafePointer<sigset_t>?, _ flags: Int32) -> Int32 {
    let result = xsNextSignalfd(fd, mask, flags)
    return fd < 0 ? created(result) : result
}

/// memfd_create(2).
@c @implementation
public func xsMemfdCreate(_ name: UnsafePointer<CChar>?, _ flags: UInt32) -> Int32 {
    created(xsNextMemfdCreate(name, flags))
}
