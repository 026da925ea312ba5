import CXenSockSystem
import XenSockPlatform
import XenSockWire

/// Name resolution, which happens in the backend domain. These functions allocate and may be slow, as libc's do.
extension Frontend {
    /// getaddrinfo(3). The list is allocated as libc allocates its own: freeaddrinfo(3) frees it.
    ///
    /// - Returns: 0 or an EAI_ value; errno is set for EAI_SYSTEM.
    public static func getaddrinfo(
        node: UnsafePointer<CChar>?, service: UnsafePointer<CChar>?, hints: UnsafePointer<addrinfo>?,
        result: UnsafeMutablePointer<UnsafeMutablePointer<addrinfo>?>
    ) -> Int32 {
        if node == nil, service == nil { return EAI_NONAME }
        let nodeLength = node.map { strlen($0) } ?? 0
        let serviceLength = service.map { strlen($0) } ?? 0
        let size = Resolver.AddressQuery.names &+ nodeLength &+ serviceLength
        guard nodeLength <= 1025, serviceLength <= 1025 else { return EAI_NONAME }
        return withBuffers(query: size) { query, answer in
            query.storeBytes(of: UInt32(size), toByteOffset: Resolver.Query.length, as: UInt32.self)
            query.storeBytes(
                of: Resolver.Kind.getaddrinfo.rawValue, toByteOffset: Resolver.Query.kind, as: UInt32.self)
            // Without hints libc assumes these.
            let assumed = Int32(AI_V4MAPPED | AI_ADDRCONFIG)
            query.storeBytes(
                of: hints?.pointee.ai_flags ?? assumed, toByteOffset: Resolver.Query.flags, as: Int32.self)
            query.storeBytes(
                of: hints?.pointee.ai_family ?? 0, toByteOffset: Resolver.AddressQuery.family, as: Int32.self)
            query.storeBytes(
                of: hints?.pointee.ai_socktype ?? 0, toByteOffset: Resolver.AddressQuery.type, as: Int32.self)
            query.storeBytes(
                of: hints?.pointee.ai_protocol ?? 0, toByteOffset: Resolver.AddressQuery.protocol, as: Int32.self)
            query.storeBytes(
                of: node == nil ? Resolver.none : UInt32(nodeLength),
                toByteOffset: Resolver.AddressQuery.nodeLength, as: UInt32.self)
            query.storeBytes(
                of: service == nil ? Resolver.none : UInt32(serviceLength),
                toByteOffset: Resolver.AddressQuery.serviceLength, as: UInt32.self)
            let names = query.baseAddress! + Resolver.AddressQuery.names
            if let node { memcpy(names, node, nodeLength) }
            if let service { memcpy(names + nodeLength, service, serviceLength) }
            let length = ResolverExchange.run(UnsafeRawBufferPointer(query), answer)
            if length < 0 { return systemError(-length) }
            let status = answerStatus(answer)
            if status != 0 { return status }
            return AddressList.build(UnsafeRawBufferPointer(rebasing: answer[0..<length]), result)
        }
    }

    /// getnameinfo(3).
    ///
    /// - Returns: 0 or an EAI_ value; errno is set for EAI_SYSTEM.
    public static func getnameinfo(
        _ address: UnsafeRawPointer?, _ length: UInt32, host: UnsafeMutablePointer<CChar>?, hostCapacity: UInt32,
        service: UnsafeMutablePointer<CChar>?, serviceCapacity: UInt32, flags: Int32
    ) -> Int32 {
        guard let address, length >= 2 else { return EAI_FAMILY }
        guard length <= 128 else { return EAI_FAMILY }
        let size = Resolver.NameQuery.address &+ Int(length)
        return withBuffers(query: size) { query, answer in
            query.storeBytes(of: UInt32(size), toByteOffset: Resolver.Query.length, as: UInt32.self)
            query.storeBytes(
                of: Resolver.Kind.getnameinfo.rawValue, toByteOffset: Resolver.Query.kind, as: UInt32.self)
            query.storeBytes(of: flags, toByteOffset: Resolver.Query.flags, as: Int32.self)
            query.storeBytes(of: length, toByteOffset: Resolver.NameQuery.addressLength, as: UInt32.self)
            memcpy(query.baseAddress! + Resolver.NameQuery.address, address, Int(length))
            let size = ResolverExchange.run(UnsafeRawBufferPointer(query), answer)
            if size < 0 { return systemError(-size) }
            let status = answerStatus(answer)
            if status != 0 { return status }
            guard size >= Resolver.NameAnswer.names else { return EAI_FAIL }
            let hostLength = Int(answer.load(fromByteOffset: Resolver.NameAnswer.hostLength, as: UInt32.self))
            let serviceLength = Int(answer.load(fromByteOffset: Resolver.NameAnswer.serviceLength, as: UInt32.self))
            guard hostLength &+ serviceLength &+ Resolver.NameAnswer.names <= size else { return EAI_FAIL }
            let names = answer.baseAddress! + Resolver.NameAnswer.names
            guard copy(names, hostLength, host, hostCapacity),
                copy(names + hostLength, serviceLength, service, serviceCapacity)
            else { return EAI_OVERFLOW }
            return 0
        }
    }

    /// Copies a name and its NUL. False if there is no room.
    private static func copy(
        _ name: UnsafeRawPointer, _ length: Int, _ destination: UnsafeMutablePointer<CChar>?, _ capacity: UInt32
    ) -> Bool {
        guard let destination, capacity > 0 else { return true }
        guard length < Int(capacity) else { return false }
        memcpy(destination, name, length)
        destination[length] = 0
        return true
    }

    private static var EAI_OVERFLOW: Int32 { -12 }

    private static func systemError(_ error: Int) -> Int32 {
        if error == Int(ENOMEM) { return EAI_MEMORY }
        xs_set_errno(Int32(error))
        return EAI_SYSTEM
    }

    private static func answerStatus(_ answer: UnsafeMutableRawBufferPointer) -> Int32 {
        let status = answer.load(fromByteOffset: Resolver.Answer.status, as: Int32.self)
        if status == EAI_SYSTEM {
            xs_set_errno(answer.load(fromByteOffset: Resolver.Answer.errno, as: Int32.self) & 0xfff)
        }
        return status
    }

    private static func withBuffers(
        query size: Int, _ body: (UnsafeMutableRawBufferPointer, UnsafeMutableRawBufferPointer) -> Int32
    ) -> Int32 {
        guard let query = calloc(1, Resolver.maximumQuery) else { return EAI_MEMORY }
        defer { free(query) }
        guard let answer = malloc(Resolver.maximumAnswer) else { return EAI_MEMORY }
        defer { free(answer) }
        return body(
            UnsafeMutableRawBufferPointer(start: query, count: size),
            UnsafeMutableRawBufferPointer(start: answer, count: Resolver.maximumAnswer))
    }
}

/// The list that getaddrinfo(3) returns.
private enum AddressList {
    /// Builds it from an answer record. The record comes from the service: every length is bounded.
    static func build(
        _ answer: UnsafeRawBufferPointer, _ result: UnsafeMutablePointer<UnsafeMutablePointer<addrinfo>?>
    ) -> Int32 {
        let count = answer.load(fromByteOffset: Resolver.Answer.count, as: UInt32.self)
        var head: UnsafeMutablePointer<addrinfo>?
        var tail: UnsafeMutablePointer<addrinfo>?
        var position = Resolver.Answer.entries
        var index: UInt32 = 0
        while index < count {
            guard position &+ Resolver.Entry.address <= answer.count else { return drop(head, EAI_FAIL) }
            let entry = UnsafeRawBufferPointer(rebasing: answer[position...])
            let addressLength = Int(entry.load(fromByteOffset: Resolver.Entry.addressLength, as: UInt32.self))
            let nameLength = Int(entry.load(fromByteOffset: Resolver.Entry.nameLength, as: UInt32.self))
            let family = entry.load(fromByteOffset: Resolver.Entry.family, as: Int32.self)
            // Programs read a whole address of the family that the entry names, without looking at its length.
            guard addressLength <= 128, nameLength <= 4096,
                Resolver.Entry.address &+ addressLength &+ nameLength <= entry.count,
                family == AF_INET && addressLength == MemoryLayout<sockaddr_in>.size
                    || family == AF_INET6 && addressLength == MemoryLayout<sockaddr_in6>.size,
                entry.load(fromByteOffset: Resolver.Entry.address, as: UInt16.self) == UInt16(family)
            else { return drop(head, EAI_FAIL) }
            // Node and address in one piece, the name apart: so libc allocates, and so it frees.
            guard let memory = calloc(1, MemoryLayout<addrinfo>.size &+ addressLength) else {
                return drop(head, EAI_MEMORY)
            }
            let node = memory.assumingMemoryBound(to: addrinfo.self)
            node.pointee.ai_flags = entry.load(fromByteOffset: Resolver.Entry.flags, as: Int32.self)
            node.pointee.ai_family = family
            node.pointee.ai_socktype = entry.load(fromByteOffset: Resolver.Entry.type, as: Int32.self)
            node.pointee.ai_protocol = entry.load(fromByteOffset: Resolver.Entry.protocol, as: Int32.self)
            node.pointee.ai_addrlen = socklen_t(addressLength)
            let address = memory + MemoryLayout<addrinfo>.size
            memcpy(address, entry.baseAddress! + Resolver.Entry.address, addressLength)
            node.pointee.ai_addr = address.assumingMemoryBound(to: sockaddr.self)
            if let tail { tail.pointee.ai_next = node } else { head = node }
            tail = node
            if nameLength > 0 {
                guard let name = malloc(nameLength &+ 1) else { return drop(head, EAI_MEMORY) }
                memcpy(name, entry.baseAddress! + Resolver.Entry.address + addressLength, nameLength)
                name.storeBytes(of: 0, toByteOffset: nameLength, as: UInt8.self)
                node.pointee.ai_canonname = name.assumingMemoryBound(to: CChar.self)
            }
            position &+= (Resolver.Entry.address &+ addressLength &+ nameLength &+ 7) & ~7
            index &+= 1
        }
        guard let head else { return EAI_NONAME }
        result.pointee = head
        return 0
    }

    private static func drop(_ list: UnsafeMutablePointer<addrinfo>?, _ error: Int32) -> Int32 {
        var next = list
        while let node = next {
            next = node.pointee.ai_next
            free(node.pointee.ai_canonname)
            free(node)
        }
        return error
    }
}
