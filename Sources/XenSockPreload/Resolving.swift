import CXenSockPreload
import XenSockFrontend
import XenSockWire

// res_query(3) and its family: the name servers are the backend domain's, and the answer is theirs, byte for byte.

/// Asks, and stores h_errno in both of its places.
///
/// - Parameters:
///   - state: the program's state, of which the options count if it was initialised.
///   - content: a name or a message, and behind a dot a domain.
/// - Returns: the answer's length, or -1.
private func resolve(
    _ state: UnsafeMutablePointer<__res_state>, _ mode: Resolver.DNSQuery.Mode, _ content: UnsafeRawBufferPointer,
    class: Int32, type: Int32, _ answer: UnsafeMutablePointer<UInt8>?, _ room: Int32
) -> Int32 {
    let options = UInt32(truncatingIfNeeded: state.pointee.options)
    let isSet = options & UInt32(RES_INIT) != 0
    var words = InlineArray<5, UInt32>(repeating: 0)
    words[0] = mode.rawValue
    words[1] = isSet ? options : Resolver.DNSQuery.defaultOptions
    words[2] = UInt32(bitPattern: `class`)
    words[3] = UInt32(bitPattern: type)
    words[4] = answer == nil ? 0 : UInt32(max(room, 0))
    let reply = withUnsafeBytes(of: &words) {
        Frontend.ask(
            kind: .dns, $0, content,
            into: UnsafeMutableRawBufferPointer(start: answer, count: answer == nil ? 0 : Int(max(room, 0))))
    }
    guard reply.status != 0 else {
        setHostError(state, NETDB_SUCCESS)
        return Int32(truncatingIfNeeded: min(reply.count, UInt32(Resolver.maximumAnswer)))
    }
    // Refused by the policy, or the service could not be asked.
    let isInternal = reply.status == EAI_SYSTEM
    if isInternal || reply.error != 0 { xs_set_errno(reply.error) }
    setHostError(state, isInternal ? NETDB_INTERNAL : reply.status)
    return -1
}

private func setHostError(_ state: UnsafeMutablePointer<__res_state>, _ error: Int32) {
    state.pointee.res_h_errno = error
    __h_errno_location().pointee = error
}

/// In a dialect that has no names nobody can be asked.
private func unresolvable(_ state: UnsafeMutablePointer<__res_state>) -> Int32 {
    setHostError(state, NO_RECOVERY)
    return -1
}

private func bytes(_ name: UnsafePointer<CChar>) -> UnsafeRawBufferPointer {
    UnsafeRawBufferPointer(start: name, count: strlen(name))
}

private func query(
    _ state: UnsafeMutablePointer<__res_state>, _ mode: Resolver.DNSQuery.Mode, _ name: UnsafePointer<CChar>,
    _ domain: UnsafePointer<CChar>?, _ class: Int32, _ type: Int32, _ answer: UnsafeMutablePointer<UInt8>?,
    _ room: Int32
) -> Int32 {
    guard Frontend.resolvesNames else { return unresolvable(state) }
    guard let domain else { return resolve(state, mode, bytes(name), class: `class`, type: type, answer, room) }
    let (length, domainLength) = (strlen(name), strlen(domain))
    let longest = 1025
    guard length + domainLength + 1 <= longest else {
        setHostError(state, NO_RECOVERY)
        return -1
    }
    return withUnsafeTemporaryAllocation(byteCount: longest, alignment: 1) { buffer -> Int32 in
        memcpy(buffer.baseAddress!, name, length)
        buffer[length] = UInt8(ascii: ".")
        memcpy(buffer.baseAddress! + length + 1, domain, domainLength)
        let whole = UnsafeRawBufferPointer(rebasing: buffer[0..<length + 1 + domainLength])
        return resolve(state, mode, whole, class: `class`, type: type, answer, room)
    }
}

private func send(
    _ state: UnsafeMutablePointer<__res_state>, _ message: UnsafePointer<UInt8>, _ size: Int32,
    _ answer: UnsafeMutablePointer<UInt8>?, _ room: Int32
) -> Int32 {
    guard Frontend.resolvesNames else { return unresolvable(state) }
    let content = UnsafeRawBufferPointer(start: message, count: Int(max(size, 0)))
    return resolve(state, .send, content, class: 0, type: 0, answer, room)
}

/// res_nquery(3).
@c @implementation
public func xsResNquery(
    _ state: UnsafeMutablePointer<__res_state>?, _ name: UnsafePointer<CChar>?, _ class: Int32, _ type: Int32,
    _ answer: UnsafeMutablePointer<UInt8>?, _ room: Int32
) -> Int32 {
    guard resolvesInBackend(), let state, let name else {
        return xsNextResNquery(state, name, `class`, type, answer, room)
    }
    return query(state, .query, name, nil, `class`, type, answer, room)
}

/// res_nsearch(3).
@c @implementation
public func xsResNsearch(
    _ state: UnsafeMutablePointer<__res_state>?, _ name: UnsafePointer<CChar>?, _ class: Int32, _ type: Int32,
    _ answer: UnsafeMutablePointer<UInt8>?, _ room: Int32
) -> Int32 {
    guard resolvesInBackend(), let state, let name else {
        return xsNextResNsearch(state, name, `class`, type, answer, room)
    }
    return query(state, .search, name, nil, `class`, type, answer, room)
}

/// res_nquerydomain(3).
@c @implementation
public func xsResNquerydomain(
    _ state: UnsafeMutablePointer<__res_state>?, _ name: UnsafePointer<CChar>?, _ domain: UnsafePointer<CChar>?,
    _ class: Int32, _ type: Int32, _ answer: UnsafeMutablePointer<UInt8>?, _ room: Int32
) -> Int32 {
    guard resolvesInBackend(), let state, let name else {
        return xsNextResNquerydomain(state, name, domain, `class`, type, answer, room)
    }
    return query(state, .query, name, domain, `class`, type, answer, room)
}

/// res_nsend(3).
@c @implementation
public func xsResNsend(
    _ state: UnsafeMutablePointer<__res_state>?, _ message: UnsafePointer<UInt8>?, _ size: Int32,
    _ answer: UnsafeMutablePointer<UInt8>?, _ room: Int32
) -> Int32 {
    guard resolvesInBackend(), let state, let message else { return xsNextResNsend(state, message, size, answer, room) }
    return send(state, message, size, answer, room)
}

/// res_query(3).
@c @implementation
public func xsResQuery(
    _ name: UnsafePointer<CChar>?, _ class: Int32, _ type: Int32, _ answer: UnsafeMutablePointer<UInt8>?, _ room: Int32
) -> Int32 {
    guard resolvesInBackend(), let name else { return xsNextResQuery(name, `class`, type, answer, room) }
    return query(__res_state(), .query, name, nil, `class`, type, answer, room)
}

/// res_search(3).
@c @implementation
public func xsResSearch(
    _ name: UnsafePointer<CChar>?, _ class: Int32, _ type: Int32, _ answer: UnsafeMutablePointer<UInt8>?, _ room: Int32
) -> Int32 {
    guard resolvesInBackend(), let name else { return xsNextResSearch(name, `class`, type, answer, room) }
    return query(__res_state(), .search, name, nil, `class`, type, answer, room)
}

/// res_querydomain(3).
@c @implementation
public func xsResQuerydomain(
    _ name: UnsafePointer<CChar>?, _ domain: UnsafePointer<CChar>?, _ class: Int32, _ type: Int32,
    _ answer: UnsafeMutablePointer<UInt8>?, _ room: Int32
) -> Int32 {
    guard resolvesInBackend(), let name else { return xsNextResQuerydomain(name, domain, `class`, type, answer, room) }
    return query(__res_state(), .query, name, domain, `class`, type, answer, room)
}

/// res_send(3).
@c @implementation
public func xsResSend(
    _ message: UnsafePointer<UInt8>?, _ size: Int32, _ answer: UnsafeMutablePointer<UInt8>?, _ room: Int32
) -> Int32 {
    guard resolvesInBackend(), let message else { return xsNextResSend(message, size, answer, room) }
    return send(__res_state(), message, size, answer, room)
}

/// getaddrinfo_a(3). All names are looked up before it returns, also with GAI_NOWAIT: gai_error(3) tells of each that it
/// is done, gai_suspend(3) does not wait, gai_cancel(3) says EAI_ALLDONE, and the notification comes.
@c @implementation
public func xsGetaddrinfoA(
    _ mode: Int32, _ requests: UnsafeMutablePointer<UnsafeMutablePointer<gaicb>?>?, _ count: Int32,
    _ event: UnsafeMutablePointer<sigevent>?
) -> Int32 {
    guard resolvesInBackend(), let requests, mode == GAI_WAIT || mode == GAI_NOWAIT else {
        return xsNextGetaddrinfoA(mode, requests, count, event)
    }
    for index in 0..<Int(max(count, 0)) {
        guard let request = requests[index] else { continue }
        request.pointee.ar_result = nil
        request.pointee.__return = xsGetaddrinfo(
            request.pointee.ar_name, request.pointee.ar_service, request.pointee.ar_request,
            &request.pointee.ar_result)
    }
    // Of nothing to do glibc's own still gives the notification.
    return mode == GAI_WAIT ? 0 : xsNextGetaddrinfoA(mode, requests, 0, event)
}
