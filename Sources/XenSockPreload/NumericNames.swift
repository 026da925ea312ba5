import CXenSockPreload

// What needs no lookup is found in the text, as the backend domain would: a program that says where it connects to by
// numbers is spared a socket of the resolver's for each connection.

/// getaddrinfo(3) of an address and a port in digits.
///
/// - Returns: nil if the answer depends on the domain: names, scopes, or its interfaces (AI_ADDRCONFIG, also without hints).
func numericAddresses(
    _ node: UnsafePointer<CChar>?, _ service: UnsafePointer<CChar>?, _ hints: UnsafePointer<addrinfo>?,
    _ result: UnsafeMutablePointer<UnsafeMutablePointer<addrinfo>?>
) -> Int32? {
    let known = AI_PASSIVE | AI_CANONNAME | AI_NUMERICHOST | AI_V4MAPPED | AI_ALL | AI_NUMERICSERV
    guard let node, var asked = hints?.pointee, asked.ai_flags & ~known == 0,
        consists(node, of: { isDigit($0) || $0 == 0x2e || $0 == 0x3a || ($0 | 0x20) >= 0x61 && ($0 | 0x20) <= 0x66 })
    else { return nil }
    if let service, !consists(service, of: isDigit) { return nil }
    asked.ai_flags |= AI_NUMERICHOST
    let found = xsNextGetaddrinfo(node, service, &asked, result)
    // It was a name.
    if found == EAI_NONAME { return nil }
    var entry = found == 0 ? result.pointee : nil
    while let one = entry {
        // As it was asked for.
        one.pointee.ai_flags = hints?.pointee.ai_flags ?? 0
        entry = one.pointee.ai_next
    }
    return found
}

/// getnameinfo(3) that asks for digits alone.
///
/// - Returns: nil likewise.
func numericNames(
    _ address: UnsafeRawPointer?, _ length: socklen_t, _ host: UnsafeMutablePointer<CChar>?, _ hostRoom: socklen_t,
    _ service: UnsafeMutablePointer<CChar>?, _ serviceRoom: socklen_t, _ flags: Int32
) -> Int32? {
    guard flags & NI_NUMERICHOST != 0, flags & NI_NUMERICSERV != 0, let address, length >= 16 else { return nil }
    switch Int32(address.loadUnaligned(as: UInt16.self)) {
    case AF_INET: break
    // A scope is an interface's name.
    case AF_INET6 where length >= 28 && address.loadUnaligned(fromByteOffset: 24, as: UInt32.self) == 0: break
    default: return nil
    }
    return xsNextGetnameinfo(address, length, host, hostRoom, service, serviceRoom, flags)
}

private func isDigit(_ character: UInt8) -> Bool { character >= 0x30 && character <= 0x39 }

/// Whether a text is not empty and has nothing else in it.
private func consists(_ text: UnsafePointer<CChar>, of isMeant: (UInt8) -> Bool) -> Bool {
    var place = text
    while place.pointee != 0 {
        guard isMeant(UInt8(bitPattern: place.pointee)) else { return false }
        place += 1
    }
    return place != text
}
