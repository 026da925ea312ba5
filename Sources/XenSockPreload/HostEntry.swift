import CXenSockPreload
import XenSockFrontend

/// The memory that a host entry's strings and lists are cut from: the caller's.
struct HostBuffer {
    private var next: UInt
    private let end: UInt

    init(_ start: UnsafeMutablePointer<CChar>?, _ room: Int) {
        next = UInt(bitPattern: start)
        end = start == nil ? next : next &+ UInt(max(room, 0))
    }

    /// `size` bytes, or nil if so many are not left.
    mutating func take(_ size: Int, alignment: UInt) -> UnsafeMutableRawPointer? {
        let start = (next &+ alignment &- 1) & ~(alignment &- 1)
        guard start <= end, UInt(size) <= end &- start else { return nil }
        next = start &+ UInt(size)
        return UnsafeMutableRawPointer(bitPattern: start)
    }

    /// A list of `count` pointers and the NULL behind them.
    mutating func list(_ count: Int) -> UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>? {
        let list = take((count + 1) * MemoryLayout<Int>.size, alignment: 8)?
            .bindMemory(to: UnsafeMutablePointer<CChar>?.self, capacity: count + 1)
        list?.initialize(repeating: nil, count: count + 1)
        return list
    }

    /// A copy of `text` with its NUL.
    mutating func copy(_ text: UnsafePointer<CChar>) -> UnsafeMutablePointer<CChar>? {
        let size = strlen(text) + 1
        guard let copy = take(size, alignment: 1) else { return nil }
        copy.copyMemory(from: text, byteCount: size)
        return copy.assumingMemoryBound(to: CChar.self)
    }

    /// All that is left, for a text of unknown size.
    func rest() -> (start: UnsafeMutablePointer<CChar>?, room: Int) {
        (UnsafeMutablePointer(bitPattern: next), Int(end &- next))
    }
}

/// How a look-up of the gethostby family ended.
enum HostOutcome {
    case found
    /// The buffer is too small: ERANGE, and the caller comes again with a larger one.
    case tooSmall
    /// An h_errno value; with NETDB_INTERNAL, errno has the reason.
    case failed(Int32)

    /// What the `_r` functions return, with `result` and `error` set as glibc's set them: a name that does not exist
    /// is no error of the function.
    func store(
        _ entry: UnsafeMutablePointer<hostent>, _ result: UnsafeMutablePointer<UnsafeMutablePointer<hostent>?>,
        _ error: UnsafeMutablePointer<Int32>
    ) -> Int32 {
        result.pointee = nil
        switch self {
        case .found:
            result.pointee = entry
            error.pointee = NETDB_SUCCESS
            return 0
        case .tooSmall:
            error.pointee = NETDB_INTERNAL
            xs_set_errno(ERANGE)
            return ERANGE
        case .failed(let code):
            error.pointee = code
            switch code {
            case HOST_NOT_FOUND, NO_DATA: return 0
            case TRY_AGAIN: return EAGAIN
            case NETDB_INTERNAL: return xs_errno()
            default: return EINVAL
            }
        }
    }

    /// The outcome that an EAI_ value of getaddrinfo(3) or getnameinfo(3) stands for.
    init(_ status: Int32) {
        switch status {
        case 0: self = .found
        case EAI_NONAME: self = .failed(HOST_NOT_FOUND)
        case EAI_NODATA, EAI_ADDRFAMILY: self = .failed(NO_DATA)
        case EAI_AGAIN: self = .failed(TRY_AGAIN)
        case EAI_OVERFLOW: self = .tooSmall
        case EAI_SYSTEM: self = .failed(NETDB_INTERNAL)
        case EAI_MEMORY:
            xs_set_errno(ENOMEM)
            self = .failed(NETDB_INTERNAL)
        default: self = .failed(NO_RECOVERY)
        }
    }
}

private func addressSize(_ family: Int32) -> Int? {
    family == AF_INET ? MemoryLayout<in_addr>.size : family == AF_INET6 ? MemoryLayout<in6_addr>.size : nil
}

private func unsupportedFamily() -> HostOutcome {
    xs_set_errno(EAFNOSUPPORT)
    return .failed(NETDB_INTERNAL)
}

/// The addresses of `name`; its canonical name is the entry's, and the name asked for an alias if it differs.
func lookUp(
    name: UnsafePointer<CChar>, family: Int32, into entry: UnsafeMutablePointer<hostent>, _ buffer: HostBuffer
) -> HostOutcome {
    guard let size = addressSize(family) else { return unsupportedFamily() }
    if Frontend.resolvesNames {
        return backendHost(0, UnsafeRawBufferPointer(start: name, count: strlen(name)), family, into: entry, buffer)
    }
    var hints = addrinfo()
    hints.ai_family = family
    hints.ai_socktype = Int32(SOCK_STREAM.rawValue)
    hints.ai_flags = AI_CANONNAME
    var found: UnsafeMutablePointer<addrinfo>?
    let status = addresses(name, nil, &hints, &found)
    guard status == 0, let first = found else { return HostOutcome(status == 0 ? EAI_NODATA : status) }
    defer { freeaddrinfo(first) }

    var count = 0
    var node: UnsafeMutablePointer<addrinfo>? = first
    while let here = node {
        if here.pointee.ai_family == family { count += 1 }
        node = here.pointee.ai_next
    }
    guard count > 0 else { return .failed(NO_DATA) }

    var buffer = buffer
    let canonical = UnsafePointer(first.pointee.ai_canonname) ?? name
    // A name that the search list completed is not the alias of the whole.
    let length = strlen(name)
    let isAlias = strncasecmp(canonical, name, length) != 0 || canonical[length] != 0 && canonical[length] != 46
    guard let addresses = buffer.list(count), let aliases = buffer.list(isAlias ? 1 : 0),
        var bytes = buffer.take(count * size, alignment: 4), let official = buffer.copy(canonical)
    else { return .tooSmall }
    if isAlias {
        guard let alias = buffer.copy(name) else { return .tooSmall }
        aliases[0] = alias
    }

    // Where sin_addr and sin6_addr stand: Embedded Swift has no key paths to ask with.
    let offset = family == AF_INET ? 4 : 8
    var index = 0
    node = first
    while let here = node {
        if here.pointee.ai_family == family, let address = here.pointee.ai_addr {
            bytes.copyMemory(from: UnsafeRawPointer(address) + offset, byteCount: size)
            addresses[index] = bytes.assumingMemoryBound(to: CChar.self)
            index += 1
            bytes += size
        }
        node = here.pointee.ai_next
    }
    entry.pointee = hostent(
        h_name: official, h_aliases: aliases, h_addrtype: family, h_length: Int32(size), h_addr_list: addresses)
    return .found
}

/// The name of `address`.
func lookUp(
    address: UnsafeRawPointer, _ length: socklen_t, family: Int32, into entry: UnsafeMutablePointer<hostent>,
    _ buffer: HostBuffer
) -> HostOutcome {
    guard let size = addressSize(family) else { return unsupportedFamily() }
    guard Int(length) == size else {
        xs_set_errno(EINVAL)
        return .failed(NETDB_INTERNAL)
    }
    if Frontend.resolvesNames {
        return backendHost(1, UnsafeRawBufferPointer(start: address, count: size), family, into: entry, buffer)
    }
    var buffer = buffer
    guard let addresses = buffer.list(1), let aliases = buffer.list(0), let copy = buffer.take(size, alignment: 4)
    else { return .tooSmall }
    copy.copyMemory(from: address, byteCount: size)
    addresses[0] = copy.assumingMemoryBound(to: CChar.self)

    let (host, room) = buffer.rest()
    let status: Int32
    if family == AF_INET {
        var named = sockaddr_in()
        named.sin_family = sa_family_t(family)
        named.sin_addr = copy.loadUnaligned(as: in_addr.self)
        status = names(
            &named, socklen_t(MemoryLayout<sockaddr_in>.size), host, socklen_t(clamping: room), nil, 0, NI_NAMEREQD)
    } else {
        var named = sockaddr_in6()
        named.sin6_family = sa_family_t(family)
        named.sin6_addr = copy.loadUnaligned(as: in6_addr.self)
        status = names(
            &named, socklen_t(MemoryLayout<sockaddr_in6>.size), host, socklen_t(clamping: room), nil, 0, NI_NAMEREQD)
    }
    guard status == 0 else { return HostOutcome(status) }
    entry.pointee = hostent(
        h_name: host, h_aliases: aliases, h_addrtype: family, h_length: Int32(size), h_addr_list: addresses)
    return .found
}

nonisolated(unsafe) private var sharedHost = hostent()
nonisolated(unsafe) private var sharedMemory: UnsafeMutableRawPointer?
nonisolated(unsafe) private var sharedRoom = 0

/// The entry that gethostbyname(3) and its like return, overwritten by the next call of any thread, as in glibc. Its
/// memory grows as needed and is never given back.
func sharedEntry(
    _ lookUp: (UnsafeMutablePointer<hostent>, HostBuffer) -> HostOutcome
) -> UnsafeMutablePointer<hostent>? {
    let largest = 1 << 20
    while true {
        if sharedRoom == 0 { grow(to: 1024) }
        let outcome = withUnsafeMutablePointer(to: &sharedHost) {
            lookUp($0, HostBuffer(sharedMemory?.assumingMemoryBound(to: CChar.self), sharedRoom))
        }
        switch outcome {
        case .found:
            return withUnsafeMutablePointer(to: &sharedHost) { $0 }
        case .tooSmall where sharedRoom < largest && grow(to: max(sharedRoom, 1024) * 2):
            continue
        case .tooSmall:
            __h_errno_location().pointee = NETDB_INTERNAL
            xs_set_errno(ENOMEM)
            return nil
        case .failed(let code):
            __h_errno_location().pointee = code
            return nil
        }
    }
}

@discardableResult
private func grow(to room: Int) -> Bool {
    guard let memory = realloc(sharedMemory, room) else { return false }
    sharedMemory = memory
    sharedRoom = room
    return true
}
