import CXenSockPreload
import XenSockFrontend
import XenSockWire

/// What the backend domain's gethostbyname2(3) (mode 0) or gethostbyaddr(3) (mode 1) finds.
func backendHost(
    _ mode: UInt32, _ content: UnsafeRawBufferPointer, _ family: Int32, into entry: UnsafeMutablePointer<hostent>,
    _ buffer: HostBuffer
) -> HostOutcome {
    guard let memory = malloc(Frontend.maximumAnswer) else { return HostOutcome(EAI_MEMORY) }
    defer { free(memory) }
    var words = (mode, UInt32(bitPattern: family))
    let answer = withUnsafeBytes(of: &words) {
        Frontend.ask(
            kind: .host, $0, content,
            into: UnsafeMutableRawBufferPointer(start: memory, count: Frontend.maximumAnswer))
    }
    guard answer.status == 0 else {
        let isInternal = answer.status == EAI_SYSTEM || answer.status == NETDB_INTERNAL
        if isInternal { xs_set_errno(answer.error) }
        // What no h_errno is (the resolver's own failures) is no answer either.
        return .failed(isInternal ? NETDB_INTERNAL : answer.status > 0 ? answer.status : TRY_AGAIN)
    }
    let reply = UnsafeRawBufferPointer(start: memory, count: min(answer.length, Frontend.maximumAnswer))
    return build(reply, family, into: entry, buffer)
}

/// Builds the entry in the caller's memory. The record comes from the service: every length is bounded.
private func build(
    _ reply: UnsafeRawBufferPointer, _ family: Int32, into entry: UnsafeMutablePointer<hostent>, _ buffer: HostBuffer
) -> HostOutcome {
    typealias Answer = Resolver.HostAnswer
    let size = family == AF_INET ? 4 : 16
    guard reply.count > Answer.content, let base = reply.baseAddress,
        reply.load(fromByteOffset: Answer.family, as: Int32.self) == family,
        reply.load(fromByteOffset: Answer.addressLength, as: UInt32.self) == UInt32(size)
    else { return .failed(NO_RECOVERY) }
    let aliasCount = Int(reply.load(fromByteOffset: Answer.aliases, as: UInt32.self))
    let addressCount = Int(reply.load(fromByteOffset: Answer.addresses, as: UInt32.self))
    guard aliasCount < reply.count, addressCount < reply.count else { return .failed(NO_RECOVERY) }
    // Programs take the first without looking whether there is one.
    guard addressCount > 0 else { return .failed(NO_DATA) }
    var buffer = buffer
    guard let addresses = buffer.list(addressCount), let aliases = buffer.list(aliasCount),
        let bytes = buffer.take(addressCount * size, alignment: 4)
    else { return .tooSmall }
    var position = Answer.content
    for index in 0...aliasCount {
        let end = memchr(base + position, 0, reply.count - position)
        guard let end else { return .failed(NO_RECOVERY) }
        guard let text = buffer.copy((base + position).assumingMemoryBound(to: CChar.self)) else { return .tooSmall }
        if index == 0 { entry.pointee.h_name = text } else { aliases[index - 1] = text }
        position = UnsafeRawPointer(end) - base + 1
    }
    guard addressCount * size <= reply.count - position else { return .failed(NO_RECOVERY) }
    memcpy(bytes, base + position, addressCount * size)
    for index in 0..<addressCount {
        addresses[index] = (bytes + index * size).assumingMemoryBound(to: CChar.self)
    }
    entry.pointee.h_aliases = aliases
    entry.pointee.h_addrtype = family
    entry.pointee.h_length = Int32(size)
    entry.pointee.h_addr_list = addresses
    return .found
}
