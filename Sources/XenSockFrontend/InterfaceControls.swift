import CXenSockSystem
import XenSockPlatform
import XenSockWire

/// The requests of netdevice(7) on a socket: the interfaces are those of the domain where the socket is.
extension Frontend {
    /// Whether an answer sends the program to its own domain's interfaces.
    public static func isOwnDomains(_ answer: QuestionAnswer) -> Bool {
        answer.status == EAI_SYSTEM && answer.error == EOPNOTSUPP
    }

    /// One interface's entry in the answer to kind 4. The record comes from the service: every length is bounded.
    public struct Interface {
        public let index: UInt32
        public let flags: UInt32
        /// Name, address, netmask, broadcast or destination address, data.
        public let parts: InlineArray<5, UnsafeRawBufferPointer>

        /// Reads the entry at `position` and moves behind it; nil at the end, or if a length exceeds what is there.
        public init?(_ content: UnsafeRawBufferPointer, _ position: inout Int) {
            typealias Entry = Resolver.InterfaceEntry
            guard position &+ Entry.size <= content.count else { return nil }
            let entry = UnsafeRawBufferPointer(rebasing: content[position...])
            index = entry.load(fromByteOffset: Entry.index, as: UInt32.self)
            flags = entry.load(fromByteOffset: Entry.flags, as: UInt32.self)
            var offset = Entry.size
            var parts = InlineArray<5, UnsafeRawBufferPointer>(repeating: UnsafeRawBufferPointer(start: nil, count: 0))
            for part in 0..<5 {
                let length = Int(entry.load(fromByteOffset: Entry.nameLength &+ 4 &* part, as: UInt32.self))
                // Programs copy names into IF_NAMESIZE bytes.
                guard length <= (part == 0 ? 15 : 256), length <= entry.count &- offset else {
                    return nil
                }
                parts[part] = UnsafeRawBufferPointer(rebasing: entry[offset..<offset &+ length])
                offset &+= length
            }
            self.parts = parts
            position &+= (offset &+ 7) & ~7
        }

        /// The family of its address, 0 without one.
        public var family: UInt16 { parts[1].count >= 2 ? parts[1].loadUnaligned(as: UInt16.self) : 0 }
    }

    /// ioctl(2) with a request of netdevice(7), on the interfaces of the backend domain.
    ///
    /// - Returns: 0 or a negative errno; -ENOTTY for every other request.
    static func interfaceControl(_ request: UInt, _ argument: UnsafeMutableRawPointer?) -> Int {
        guard request >= 0x8910, request < 0x8980 else { return -Int(ENOTTY) }
        guard dialect == .xensock2 else { return ownControl(request, argument) }
        guard let argument else { return -Int(EFAULT) }
        switch request {
        case 0x8912 /* SIOCGIFCONF */: return configuration(argument)
        // What changes an interface is its domain's administrator's to do.
        case 0x8914, 0x8916, 0x8918, 0x891a, 0x891c, 0x891e, 0x8922, 0x8923, 0x8924, 0x8943: return -Int(EPERM)
        default: break
        }
        let size = Resolver.InterfaceControlQuery.structureSize
        // The arguments of others may be smaller, and are not looked at: the service says what it makes of the request.
        let isStructure = hasStructure(request)
        if isStructure, !UserMemory.isAccessible(argument, size, writing: true) { return -Int(EFAULT) }
        var number = UInt32(truncatingIfNeeded: request)
        return withUnsafeTemporaryAllocation(byteCount: size, alignment: 8) { structure -> Int in
            memset(structure.baseAddress!, 0, size)
            if isStructure { memcpy(structure.baseAddress!, argument, size) }
            let answer = withUnsafeBytes(of: &number) {
                ask(kind: .interfaceControl, $0, UnsafeRawBufferPointer(structure), into: structure)
            }
            if isOwnDomains(answer) { return ownControl(request, argument) }
            if answer.status != 0 { return 0 &- Int(answer.error) }
            guard isStructure, answer.length >= size else { return -Int(EPROTO) }
            memcpy(argument, structure.baseAddress!, size)
            return 0
        }
    }

    /// Whether a request is one of those that only ask, with a `struct ifreq`.
    private static func hasStructure(_ request: UInt) -> Bool {
        switch request {
        // SIOCGIFNAME, -FLAGS, -ADDR, -DSTADDR, -BRDADDR, -NETMASK, -METRIC, -MTU, -HWADDR, -INDEX, -TXQLEN, -MAP.
        case 0x8910, 0x8913, 0x8915, 0x8917, 0x8919, 0x891b, 0x891d, 0x8921, 0x8927, 0x8933, 0x8942, 0x8970: true
        default: false
        }
    }

    /// The same of this domain's interfaces. The placeholder would not do: addresses are asked of Internet sockets only.
    private static func ownControl(_ request: UInt, _ argument: UnsafeMutableRawPointer?) -> Int {
        let fd = Kernel.socket(AF_INET, Int32(SOCK_DGRAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
        if fd < 0 { return fd }
        defer { _ = Kernel.close(Int32(fd)) }
        return Kernel.ioctl(Int32(fd), request, argument)
    }

    /// SIOCGIFCONF: a `struct ifreq` for each IPv4 address.
    private static func configuration(_ argument: UnsafeMutableRawPointer) -> Int {
        let room = argument.load(as: Int32.self)
        let list = UnsafeMutableRawPointer(bitPattern: argument.load(fromByteOffset: 8, as: UInt.self))
        guard let memory = malloc(maximumAnswer) else { return -Int(ENOMEM) }
        defer { free(memory) }
        let none = UnsafeRawBufferPointer(start: nil, count: 0)
        let answer = ask(
            kind: .interfaces, none, none, into: UnsafeMutableRawBufferPointer(start: memory, count: maximumAnswer))
        if isOwnDomains(answer) { return ownControl(0x8912, argument) }
        if answer.status != 0 { return 0 &- Int(answer.error) }
        let size = Resolver.InterfaceControlQuery.structureSize
        let content = UnsafeRawBufferPointer(start: memory, count: answer.length)
        var position = 0
        var used = 0
        while let entry = Interface(content, &position) {
            guard entry.family == UInt16(AF_INET), entry.parts[0].count < 16, entry.parts[1].count == 16 else {
                continue
            }
            if let list {
                if used &+ size > Int(room) { break }
                memset(list + used, 0, size)
                memcpy(list + used, entry.parts[0].baseAddress!, entry.parts[0].count)
                memcpy(list + used + 16, entry.parts[1].baseAddress!, 16)
            }
            used &+= size
        }
        argument.storeBytes(of: Int32(truncatingIfNeeded: used), as: Int32.self)
        return 0
    }
}
