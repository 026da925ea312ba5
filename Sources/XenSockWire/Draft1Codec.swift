/// The 312-byte entries of `draft1` (docs/PROTOCOL.md chapter 4).
extension RequestCodec {
    func encodeDraft1(
        _ request: Request, number: UInt32, requestID: UInt32, into slot: UnsafeMutableRawPointer,
        pages: UnsafePointer<Draft1Pages>?
    ) throws(WireError) {
        var words = Words<39>()
        words.set(Draft1.requestID, requestID)
        words.set(Draft1.command, number)
        words.set(Draft1.id, request.id.rawValue)
        switch request {
        case .connect(_, let address, let flags, .pages, let eventChannel):
            guard let pages, words.putAddress(address, at: Draft1.Connect.address, overflow: nil) else {
                throw .EINVAL
            }
            words.set(Draft1.Connect.length, UInt32(truncatingIfNeeded: address.length))
            words.set(Draft1.Connect.flags, flags)
            words.putReferences(pages, at: Draft1.Connect.references)
            words.set(Draft1.Connect.eventChannel, eventChannel.rawValue)
        case .bind(_, let address):
            guard words.putAddress(address, at: Draft1.Connect.address, overflow: nil) else { throw .EINVAL }
            words.set(Draft1.Connect.length, UInt32(truncatingIfNeeded: address.length))
        case .accept(_, let newID, .pages, let eventChannel):
            guard let pages else { throw .EINVAL }
            words.set(Draft1.Accept.newID, newID.rawValue)
            words.putReferences(pages, at: Draft1.Accept.references)
            words.set(Draft1.Accept.eventChannel, eventChannel.rawValue)
        case .release, .listen, .poll, .unknown:
            break
        default:
            throw .EINVAL
        }
        words.store(to: slot)
    }

    func decodeDraft1(from slot: UnsafeRawPointer, pages: UnsafeMutablePointer<Draft1Pages>?) -> IncomingRequest {
        let words = Words<39>(loading: slot)
        let id = SocketID(words.u64(Draft1.id))
        var incoming = IncomingRequest(
            requestID: words.u32(Draft1.requestID), command: words.u32(Draft1.command), id: id,
            content: .failure(.EINVAL))
        switch Command(number: incoming.command, in: .draft1) {
        case .connect:
            guard let address = words.draft1Address else { return incoming }
            if let pages { words.references(at: Draft1.Connect.references, into: pages) }
            incoming.content = .success(
                .connect(
                    id: id, address: address, flags: words.u32(Draft1.Connect.flags), ring: .pages,
                    eventChannel: EventChannelPort(words.u32(Draft1.Connect.eventChannel))))
        case .bind:
            guard let address = words.draft1Address else { return incoming }
            incoming.content = .success(.bind(id: id, address: address))
        case .accept:
            if let pages { words.references(at: Draft1.Accept.references, into: pages) }
            incoming.content = .success(
                .accept(
                    id: id, newID: SocketID(words.u64(Draft1.Accept.newID)), ring: .pages,
                    eventChannel: EventChannelPort(words.u32(Draft1.Accept.eventChannel))))
        case .release: incoming.content = .success(.release(id: id, reuse: false))
        case .listen: incoming.content = .success(.listen(id: id, backlog: Draft1.backlog))
        case .poll: incoming.content = .success(.poll(id: id))
        default: incoming.content = .success(.unknown(command: incoming.command, id: id))
        }
        return incoming
    }
}

extension Words<39> {
    fileprivate var draft1Address: SocketAddress? {
        address(at: Draft1.Connect.address, length: u32(Draft1.Connect.length), overflow: nil)
    }

    fileprivate mutating func putReferences(_ pages: UnsafePointer<Draft1Pages>, at offset: Int) {
        for index in 0..<Draft1.pages {
            set(offset &+ 4 &* index, pages.pointee.references[index].rawValue)
        }
    }

    fileprivate func references(at offset: Int, into pages: UnsafeMutablePointer<Draft1Pages>) {
        for index in 0..<Draft1.pages {
            pages.pointee.references[index] = GrantReference(u32(offset &+ 4 &* index))
        }
    }
}
