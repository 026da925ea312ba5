import CXenSockPreload
import XenSockFrontend

// glibc resolves names with sockets of its own, which no library can redirect: the whole call is the backend's.

/// Names follow the sockets: a program whose IPv4 streams are the kernel's resolves as it always did.
func resolvesInBackend() -> Bool { Frontend.redirects(domain: AF_INET, type: Int32(SOCK_STREAM.rawValue), protocol: 0) }

/// What getaddrinfo(3) finds: what stands in the text itself, else in the backend domain; in a dialect that has no names
/// the first alone.
func addresses(
    _ node: UnsafePointer<CChar>?, _ service: UnsafePointer<CChar>?, _ hints: UnsafePointer<addrinfo>?,
    _ result: UnsafeMutablePointer<UnsafeMutablePointer<addrinfo>?>
) -> Int32 {
    if let found = numericAddresses(node, service, hints, result) { return found }
    if Frontend.resolvesNames {
        return Frontend.getaddrinfo(node: node, service: service, hints: hints, result: result)
    }
    var numeric = hints?.pointee ?? addrinfo()
    if numeric.ai_family == AF_UNSPEC { numeric.ai_family = AF_INET }
    guard numeric.ai_family == AF_INET else { return EAI_FAMILY }
    // The interfaces here say nothing about those of the backend domain.
    numeric.ai_flags = numeric.ai_flags & ~AI_ADDRCONFIG | AI_NUMERICHOST
    return xsNextGetaddrinfo(node, service, &numeric, result)
}

/// What getnameinfo(3) finds, likewise.
func names(
    _ address: UnsafeRawPointer?, _ length: socklen_t, _ host: UnsafeMutablePointer<CChar>?, _ hostRoom: socklen_t,
    _ service: UnsafeMutablePointer<CChar>?, _ serviceRoom: socklen_t, _ flags: Int32
) -> Int32 {
    let wantsHost = host != nil && hostRoom > 0
    let wantsService = service != nil && serviceRoom > 0
    guard wantsHost || wantsService else {
        return xsNextGetnameinfo(address, length, host, hostRoom, service, serviceRoom, flags)
    }
    var flags = flags
    // What is not asked for cannot be unknown.
    if !wantsHost { flags = flags & ~NI_NAMEREQD | NI_NUMERICHOST }
    if !wantsService { flags |= NI_NUMERICSERV }
    if let found = numericNames(address, length, host, hostRoom, service, serviceRoom, flags) { return found }
    if Frontend.resolvesNames {
        return Frontend.getnameinfo(
            address, length, host: host, hostCapacity: hostRoom, service: service, serviceCapacity: serviceRoom,
            flags: flags)
    }
    if flags & NI_NAMEREQD != 0 { return EAI_NONAME }
    return xsNextGetnameinfo(address, length, host, hostRoom, service, serviceRoom, flags | NI_NUMERICHOST)
}

/// getaddrinfo(3). The list's nodes are as glibc's, for glibc's freeaddrinfo(3).
@c @implementation
public func xsGetaddrinfo(
    _ node: UnsafePointer<CChar>?, _ service: UnsafePointer<CChar>?, _ hints: UnsafePointer<addrinfo>?,
    _ result: UnsafeMutablePointer<UnsafeMutablePointer<addrinfo>?>?
) -> Int32 {
    guard resolvesInBackend(), let result else { return xsNextGetaddrinfo(node, service, hints, result) }
    return addresses(node, service, hints, result)
}

/// getnameinfo(3).
@c @implementation
public func xsGetnameinfo(
    _ address: UnsafeRawPointer?, _ length: socklen_t, _ host: UnsafeMutablePointer<CChar>?, _ hostRoom: socklen_t,
    _ service: UnsafeMutablePointer<CChar>?, _ serviceRoom: socklen_t, _ flags: Int32
) -> Int32 {
    guard resolvesInBackend() else {
        return xsNextGetnameinfo(address, length, host, hostRoom, service, serviceRoom, flags)
    }
    return names(address, length, host, hostRoom, service, serviceRoom, flags)
}

/// gethostbyname_r(3): IPv4 addresses only.
@c @implementation
public func xsGethostbynameR(
    _ name: UnsafePointer<CChar>?, _ entry: UnsafeMutablePointer<hostent>?, _ buffer: UnsafeMutablePointer<CChar>?,
    _ room: Int, _ result: UnsafeMutablePointer<UnsafeMutablePointer<hostent>?>?, _ error: UnsafeMutablePointer<Int32>?
) -> Int32 {
    guard resolvesInBackend(), let name, let entry, let result, let error else {
        return xsNextGethostbynameR(name, entry, buffer, room, result, error)
    }
    let outcome = lookUp(name: name, family: AF_INET, into: entry, HostBuffer(buffer, room))
    return outcome.store(entry, result, error)
}

/// gethostbyname2_r(3).
@c @implementation
public func xsGethostbyname2R(
    _ name: UnsafePointer<CChar>?, _ family: Int32, _ entry: UnsafeMutablePointer<hostent>?,
    _ buffer: UnsafeMutablePointer<CChar>?, _ room: Int,
    _ result: UnsafeMutablePointer<UnsafeMutablePointer<hostent>?>?, _ error: UnsafeMutablePointer<Int32>?
) -> Int32 {
    guard resolvesInBackend(), let name, let entry, let result, let error else {
        return xsNextGethostbyname2R(name, family, entry, buffer, room, result, error)
    }
    let outcome = lookUp(name: name, family: family, into: entry, HostBuffer(buffer, room))
    return outcome.store(entry, result, error)
}

/// gethostbyaddr_r(3).
@c @implementation
public func xsGethostbyaddrR(
    _ address: UnsafeRawPointer?, _ length: socklen_t, _ family: Int32, _ entry: UnsafeMutablePointer<hostent>?,
    _ buffer: UnsafeMutablePointer<CChar>?, _ room: Int,
    _ result: UnsafeMutablePointer<UnsafeMutablePointer<hostent>?>?, _ error: UnsafeMutablePointer<Int32>?
) -> Int32 {
    guard resolvesInBackend(), let address, let entry, let result, let error else {
        return xsNextGethostbyaddrR(address, length, family, entry, buffer, room, result, error)
    }
    let outcome = lookUp(address: address, length, family: family, into: entry, HostBuffer(buffer, room))
    return outcome.store(entry, result, error)
}

/// gethostbyname(3).
@c @implementation
public func xsGethostbyname(_ name: UnsafePointer<CChar>?) -> UnsafeMutablePointer<hostent>? {
    guard resolvesInBackend(), let name else { return xsNextGethostbyname(name) }
    return sharedEntry { lookUp(name: name, family: AF_INET, into: $0, $1) }
}

/// gethostbyname2(3).
@c @implementation
public func xsGethostbyname2(_ name: UnsafePointer<CChar>?, _ family: Int32) -> UnsafeMutablePointer<hostent>? {
    guard resolvesInBackend(), let name else { return xsNextGethostbyname2(name, family) }
    return sharedEntry { lookUp(name: name, family: family, into: $0, $1) }
}

/// gethostbyaddr(3).
@c @implementation
public func xsGethostbyaddr(
    _ address: UnsafeRawPointer?, _ length: socklen_t, _ family: Int32
) -> UnsafeMutablePointer<hostent>? {
    guard resolvesInBackend(), let address else { return xsNextGethostbyaddr(address, length, family) }
    return sharedEntry { lookUp(address: address, length, family: family, into: $0, $1) }
}
