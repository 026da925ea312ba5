import CXenSockPreload
import XenSockFrontend

/// socket(2).
@c @implementation
public func xsSocket(_ domain: Int32, _ type: Int32, _ protocol: Int32) -> Int32 {
    if Frontend.redirects(domain: domain, type: type, protocol: `protocol`) {
        return returned32(Frontend.socket(domain: domain, type: type, protocol: `protocol`))
    }
    return created(xsNextSocket(domain, type, `protocol`))
}

/// socketpair(2). No redirected family has pairs: EOPNOTSUPP, as from the kernel.
@c @implementation
public func xsSocketpair(
    _ domain: Int32, _ type: Int32, _ protocol: Int32, _ pair: UnsafeMutablePointer<Int32>?
) -> Int32 {
    if Frontend.redirects(domain: domain, type: type, protocol: `protocol`) { return Int32(failed(EOPNOTSUPP)) }
    let result = xsNextSocketpair(domain, type, `protocol`, pair)
    if result == 0, let pair {
        _ = created(pair[0])
        _ = created(pair[1])
    }
    return result
}

/// bind(2).
@c @implementation
public func xsBind(_ fd: Int32, _ address: UnsafeRawPointer?, _ length: socklen_t) -> Int32 {
    guard let socket = Frontend.find(fd) else {
        if Frontend.hasBackendNames, let result = Frontend.bindUnix(fd, address, length) { return returned32(result) }
        return xsNextBind(fd, address, length)
    }
    return returned32(Frontend.bind(socket, address, length))
}

/// bindresvport(3): tries the ports 600 to 1023, beginning at one that the process id chooses.
@c @implementation
public func xsBindresvport(_ fd: Int32, _ address: UnsafeMutablePointer<sockaddr_in>?) -> Int32 {
    guard let socket = Frontend.find(fd) else { return xsNextBindresvport(fd, address) }
    var wanted = sockaddr_in()
    wanted.sin_family = sa_family_t(AF_INET)
    if let address {
        guard address.pointee.sin_family == sa_family_t(AF_INET) else { return Int32(failed(EPFNOSUPPORT)) }
        wanted = address.pointee
    }
    let first = 600
    let count = 1024 - first
    let start = xs_syscall(Int(SYS_getpid), 0, 0, 0, 0, 0, 0) % count
    var result = 0
    for step in 0..<count {
        wanted.sin_port = in_port_t(first + (start + step) % count).bigEndian
        result = withUnsafePointer(to: &wanted) {
            Frontend.bind(socket, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
        }
        if result != 0 &- Int(EADDRINUSE) { break }
    }
    if let address { address.pointee.sin_port = wanted.sin_port }
    return returned32(result)
}

/// connect(2).
@c @implementation
public func xsConnect(_ fd: Int32, _ address: UnsafeRawPointer?, _ length: socklen_t) -> Int32 {
    guard let socket = Frontend.find(fd) else {
        if Frontend.hasBackendNames, let result = Frontend.connectUnix(fd, address, length) {
            return returned32(result)
        }
        return xsNextConnect(fd, address, length)
    }
    xs_cancellation_point()
    return returned32(Frontend.connect(socket, address, length))
}

/// listen(2).
@c @implementation
public func xsListen(_ fd: Int32, _ backlog: Int32) -> Int32 {
    guard let socket = Frontend.find(fd) else { return xsNextListen(fd, backlog) }
    return returned32(Frontend.listen(socket, backlog: backlog))
}

/// accept(2).
@c @implementation
public func xsAccept(
    _ fd: Int32, _ address: UnsafeMutableRawPointer?, _ length: UnsafeMutablePointer<socklen_t>?
) -> Int32 {
    guard let socket = Frontend.find(fd) else { return created(xsNextAccept(fd, address, length)) }
    xs_cancellation_point()
    return returned32(Frontend.accept(socket, address, length, flags: 0))
}

/// accept4(2).
@c @implementation
public func xsAccept4(
    _ fd: Int32, _ address: UnsafeMutableRawPointer?, _ length: UnsafeMutablePointer<socklen_t>?, _ flags: Int32
) -> Int32 {
    guard let socket = Frontend.find(fd) else { return created(xsNextAccept4(fd, address, length, flags)) }
    xs_cancellation_point()
    return returned32(Frontend.accept(socket, address, length, flags: flags))
}

/// shutdown(2).
@c @implementation
public func xsShutdown(_ fd: Int32, _ how: Int32) -> Int32 {
    guard let socket = Frontend.find(fd) else { return xsNextShutdown(fd, how) }
    return returned32(Frontend.shutdown(socket, how: how))
}

/// getsockname(2).
@c @implementation
public func xsGetsockname(
    _ fd: Int32, _ address: UnsafeMutableRawPointer?, _ length: UnsafeMutablePointer<socklen_t>?
) -> Int32 {
    guard let socket = Frontend.find(fd) else { return xsNextGetsockname(fd, address, length) }
    return returned32(Frontend.getName(socket, peer: false, address, length))
}

/// getpeername(2).
@c @implementation
public func xsGetpeername(
    _ fd: Int32, _ address: UnsafeMutableRawPointer?, _ length: UnsafeMutablePointer<socklen_t>?
) -> Int32 {
    guard let socket = Frontend.find(fd) else { return xsNextGetpeername(fd, address, length) }
    return returned32(Frontend.getName(socket, peer: true, address, length))
}

/// getsockopt(2).
@c @implementation
public func xsGetsockopt(
    _ fd: Int32, _ level: Int32, _ name: Int32, _ value: UnsafeMutableRawPointer?,
    _ length: UnsafeMutablePointer<socklen_t>?
) -> Int32 {
    guard let socket = Frontend.find(fd) else { return xsNextGetsockopt(fd, level, name, value, length) }
    return returned32(Frontend.getOption(socket, level: level, name: name, value, length))
}

/// setsockopt(2).
@c @implementation
public func xsSetsockopt(
    _ fd: Int32, _ level: Int32, _ name: Int32, _ value: UnsafeRawPointer?, _ length: socklen_t
) -> Int32 {
    guard let socket = Frontend.find(fd) else { return xsNextSetsockopt(fd, level, name, value, length) }
    return returned32(Frontend.setOption(socket, level: level, name: name, value, length: length))
}

/// isfdtype(3).
@c @implementation
public func xsIsfdtype(_ fd: Int32, _ type: Int32) -> Int32 {
    guard Frontend.find(fd) != nil else { return xsNextIsfdtype(fd, type) }
    return type == Int32(bitPattern: UInt32(S_IFSOCK)) ? 1 : 0
}

/// sockatmark(3).
@c @implementation
public func xsSockatmark(_ fd: Int32) -> Int32 {
    guard let socket = Frontend.find(fd) else { return xsNextSockatmark(fd) }
    var mark: Int32 = 0
    let result = withUnsafeMutablePointer(to: &mark) {
        Frontend.ioctl(socket, request: UInt(SIOCATMARK), UnsafeMutableRawPointer($0))
    }
    return result < 0 ? returned32(result) : mark
}
