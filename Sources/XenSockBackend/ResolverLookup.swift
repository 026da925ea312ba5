import Glibc

extension ResolverQueryRecord {
    /// Performs the query with the C library of the backend domain. Blocks, for as long as the name servers take.
    public func perform() -> ResolverAnswerRecord {
        switch self {
        case .addressInfo(let flags, let family, let type, let protocolNumber, let node, let service):
            var hints = addrinfo()
            hints.ai_flags = flags
            hints.ai_family = family
            hints.ai_socktype = type
            hints.ai_protocol = protocolNumber
            return Self.addressInfo(node, service, hints)
        case .nameInfo(let flags, let address):
            return Self.nameInfo(address, flags)
        case .dns(let query):
            return query.perform()
        case .hostByName(let name, let family):
            return HostLookup.host(name, family)
        case .hostByAddress(let address, let family):
            return HostLookup.host(address, family)
        case .interfaces:
            return InterfaceLookup.all()
        case .interfaceControl(let request, let structure):
            return InterfaceLookup.control(request, structure)
        }
    }

    private static func addressInfo(_ node: String?, _ service: String?, _ hints: addrinfo) -> ResolverAnswerRecord {
        var hints = hints
        var list: UnsafeMutablePointer<addrinfo>?
        let (status, systemError) = withCString(node) { node in
            withCString(service) { service in
                let status = getaddrinfo(node, service, &hints, &list)
                return (status, status == EAI_SYSTEM ? errno : 0)
            }
        }
        guard status == 0 else { return ResolverAnswerRecord(status: status, systemError: systemError) }
        defer { freeaddrinfo(list) }
        var entries: [ResolverAnswerRecord.Entry] = []
        var next = list
        while let info = next?.pointee {
            entries.append(
                ResolverAnswerRecord.Entry(
                    flags: info.ai_flags, family: info.ai_family, type: info.ai_socktype,
                    protocolNumber: info.ai_protocol,
                    address: Array(UnsafeRawBufferPointer(start: info.ai_addr, count: Int(info.ai_addrlen))),
                    canonicalName: info.ai_canonname.map { String(cString: $0) }))
            next = info.ai_next
        }
        return ResolverAnswerRecord(content: .addresses(entries))
    }

    private static func nameInfo(_ bytes: [UInt8], _ flags: Int32) -> ResolverAnswerRecord {
        // glibc reads the path of an AF_UNIX address up to its NUL, whatever the length says: the zeros end it.
        let address = bytes + [UInt8](repeating: 0, count: maximumAddressLength + 16 - bytes.count)
        var host = [CChar](repeating: 0, count: Int(NI_MAXHOST))
        var service = [CChar](repeating: 0, count: Int(NI_MAXSERV))
        let (status, systemError) = address.withUnsafeBytes { raw in
            let status = getnameinfo(
                raw.baseAddress!.assumingMemoryBound(to: sockaddr.self), socklen_t(bytes.count),
                &host, socklen_t(host.count), &service, socklen_t(service.count), flags)
            return (status, status == EAI_SYSTEM ? errno : 0)
        }
        guard status == 0 else { return ResolverAnswerRecord(status: status, systemError: systemError) }
        return ResolverAnswerRecord(content: .names(host: text(host), service: text(service)))
    }

    private static func text(_ buffer: [CChar]) -> String {
        String(decoding: buffer.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }

    private static func withCString<Result>(_ text: String?, _ body: (UnsafePointer<CChar>?) -> Result) -> Result {
        guard let text else { return body(nil) }
        return text.withCString { body($0) }
    }
}
