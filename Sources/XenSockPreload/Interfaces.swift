import CXenSockPreload
import XenSockFrontend
import XenSockWire

// The interfaces that a program binds to and joins groups on are those of the domain where its sockets are.

/// Calls `body` with the list of the backend domain's interfaces, or gives nil if the program's own domain is to be asked.
///
/// - Returns: what `body` returns; nil without an answer. A negative value is -1 with errno set.
private func withInterfaces(_ body: (UnsafeRawBufferPointer) -> Bool) -> Bool? {
    guard resolvesInBackend(), Frontend.resolvesNames else { return nil }
    guard let memory = malloc(Frontend.maximumAnswer) else {
        xs_set_errno(ENOMEM)
        return false
    }
    defer { free(memory) }
    let none = UnsafeRawBufferPointer(start: nil, count: 0)
    let answer = Frontend.ask(
        kind: .interfaces, none, none,
        into: UnsafeMutableRawBufferPointer(start: memory, count: Frontend.maximumAnswer))
    if Frontend.isOwnDomains(answer) { return nil }
    guard answer.status == 0 else {
        xs_set_errno(answer.error)
        return false
    }
    return body(UnsafeRawBufferPointer(start: memory, count: min(answer.length, Frontend.maximumAnswer)))
}

/// What a part takes: never less than programs read of it without asking for its length.
private func room(_ size: Int) -> Int { size == 0 ? 0 : (max(size, 127) + 8) & ~7 }

/// getifaddrs(3). The list is one piece of memory, as glibc's, for glibc's freeifaddrs(3).
@c @implementation
public func xsGetifaddrs(_ list: UnsafeMutablePointer<UnsafeMutablePointer<ifaddrs>?>?) -> Int32 {
    guard let list else { return xsNextGetifaddrs(list) }
    let found = withInterfaces { content in
        list.pointee = nil
        var count = 0
        var bytes = 0
        var position = 0
        while let entry = Frontend.Interface(content, &position) {
            count += 1
            for part in 0..<5 { bytes += room(entry.parts[part].count) }
        }
        if count == 0 { return true }
        guard let memory = calloc(1, count * MemoryLayout<ifaddrs>.stride + bytes) else {
            xs_set_errno(ENOMEM)
            return false
        }
        let nodes = memory.assumingMemoryBound(to: ifaddrs.self)
        var next = memory + count * MemoryLayout<ifaddrs>.stride
        /// A copy with zeros behind it; nil of nothing.
        func copy(_ bytes: UnsafeRawBufferPointer) -> UnsafeMutableRawPointer? {
            guard let start = bytes.baseAddress, bytes.count > 0 else { return nil }
            let copy = next
            memcpy(copy, start, bytes.count)
            next += room(bytes.count)
            return copy
        }
        position = 0
        for index in 0..<count {
            guard let entry = Frontend.Interface(content, &position) else { break }
            let node = nodes + index
            node.pointee.ifa_name = copy(entry.parts[0])?.assumingMemoryBound(to: CChar.self)
            node.pointee.ifa_flags = entry.flags
            node.pointee.ifa_addr = copy(entry.parts[1])?.assumingMemoryBound(to: sockaddr.self)
            node.pointee.ifa_netmask = copy(entry.parts[2])?.assumingMemoryBound(to: sockaddr.self)
            node.pointee.ifa_ifu.ifu_broadaddr = copy(entry.parts[3])?.assumingMemoryBound(to: sockaddr.self)
            node.pointee.ifa_data = copy(entry.parts[4])
            node.pointee.ifa_next = index + 1 < count ? node + 1 : nil
        }
        list.pointee = nodes
        return true
    }
    guard let found else { return xsNextGetifaddrs(list) }
    return found ? 0 : -1
}

/// if_nameindex(3). The list is made as glibc's, for glibc's if_freenameindex(3).
@c @implementation
public func xsIfNameindex() -> UnsafeMutablePointer<if_nameindex>? {
    var list: UnsafeMutablePointer<if_nameindex>?
    let found = withInterfaces { content in
        var count = 0
        forEachInterface(content) { _, _ in count += 1 }
        guard let memory = calloc(count + 1, MemoryLayout<if_nameindex>.stride) else {
            xs_set_errno(ENOBUFS)
            return false
        }
        let nodes = memory.assumingMemoryBound(to: if_nameindex.self)
        var made = 0
        forEachInterface(content) { index, name in
            guard let copy = calloc(1, name.count + 1), let start = name.baseAddress else { return }
            memcpy(copy, start, name.count)
            nodes[made].if_index = index
            nodes[made].if_name = copy.assumingMemoryBound(to: CChar.self)
            made += 1
        }
        list = nodes
        return true
    }
    return found == nil ? xsNextIfNameindex() : list
}

/// Each interface has one entry that tells about itself, of the family AF_PACKET.
private func forEachInterface(_ content: UnsafeRawBufferPointer, _ body: (UInt32, UnsafeRawBufferPointer) -> Void) {
    var position = 0
    while let entry = Frontend.Interface(content, &position) {
        if entry.family == UInt16(AF_PACKET), entry.parts[0].count > 0 { body(entry.index, entry.parts[0]) }
    }
}

/// The `struct ifreq` of an ioctl(2) on the backend domain's interfaces; nil if the own domain's are to be asked.
///
/// - Returns: 0 or a negative errno.
private func control(_ request: UInt32, _ structure: UnsafeMutableRawBufferPointer) -> Int? {
    guard resolvesInBackend(), Frontend.resolvesNames else { return nil }
    var number = request
    let answer = withUnsafeBytes(of: &number) {
        Frontend.ask(kind: .interfaceControl, $0, UnsafeRawBufferPointer(structure), into: structure)
    }
    if Frontend.isOwnDomains(answer) { return nil }
    if answer.status != 0 { return 0 &- Int(answer.error) }
    return answer.length >= structure.count ? 0 : 0 &- Int(EPROTO)
}

private let nameRoom = Int(IF_NAMESIZE)

/// if_nametoindex(3).
@c @implementation
public func xsIfNametoindex(_ name: UnsafePointer<CChar>?) -> UInt32 {
    guard let name else { return xsNextIfNametoindex(name) }
    let length = strlen(name)
    guard length < nameRoom else { return xsNextIfNametoindex(name) }
    return withUnsafeTemporaryAllocation(byteCount: Resolver.InterfaceControlQuery.structureSize, alignment: 8) {
        structure -> UInt32 in
        structure.initializeMemory(as: UInt8.self, repeating: 0)
        memcpy(structure.baseAddress!, name, length)
        guard let result = control(0x8933 /* SIOCGIFINDEX */, structure) else { return xsNextIfNametoindex(name) }
        guard result == 0 else {
            _ = returned(result)
            return 0
        }
        return structure.load(fromByteOffset: 16, as: UInt32.self)
    }
}

/// if_indextoname(3). ENXIO where there is no such interface, as from glibc.
@c @implementation
public func xsIfIndextoname(_ index: UInt32, _ name: UnsafeMutablePointer<CChar>?) -> UnsafeMutablePointer<CChar>? {
    guard let name else { return xsNextIfIndextoname(index, name) }
    return withUnsafeTemporaryAllocation(byteCount: Resolver.InterfaceControlQuery.structureSize, alignment: 8) {
        structure -> UnsafeMutablePointer<CChar>? in
        structure.initializeMemory(as: UInt8.self, repeating: 0)
        structure.storeBytes(of: index, toByteOffset: 16, as: UInt32.self)
        guard let result = control(0x8910 /* SIOCGIFNAME */, structure) else { return xsNextIfIndextoname(index, name) }
        guard result == 0 else {
            xs_set_errno(result == 0 &- Int(ENODEV) ? ENXIO : Int32(truncatingIfNeeded: 0 &- result))
            return nil
        }
        memcpy(name, structure.baseAddress!, nameRoom - 1)
        name[nameRoom - 1] = 0
        return name
    }
}
