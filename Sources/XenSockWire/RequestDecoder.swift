extension RequestCodec {
    /// Reads the request at `slot` (`dialect.slotSize` bytes), which its writer may still change.
    ///
    /// The entry is copied to private memory first and each field read once, from the copy; an address in the argument
    /// slot is copied whole, after its length was bounded. No content makes this trap: what is out of bounds gives a
    /// failure in the result. `pages` receives the references of a `draft1` CONNECT or ACCEPT.
    public func decode(
        from slot: UnsafeRawPointer, arguments: ArgumentArea? = nil, pages: UnsafeMutablePointer<Draft1Pages>? = nil
    ) -> IncomingRequest {
        if dialect == .draft1 { return decodeDraft1(from: slot, pages: pages) }
        let words = Words<8>(loading: slot)
        var incoming = IncomingRequest(
            requestID: words.u32(EntryLayout.requestID), command: words.u32(EntryLayout.command),
            id: SocketID(words.u64(EntryLayout.id)), content: .failure(.EINVAL))
        // In xensock2 the number names the argument slot; in pvcalls1 it is the frontend's own business.
        if dialect == .xensock2, incoming.requestID >= ArgumentArea.slotCount { return incoming }
        if let request = request(words, incoming, arguments) {
            incoming.content = .success(request)
        }
        return incoming
    }

    /// Nil for a length out of bounds.
    private func request(_ words: Words<8>, _ incoming: IncomingRequest, _ arguments: ArgumentArea?) -> Request? {
        let id = incoming.id
        switch Command(number: incoming.command, in: dialect) {
        case .socket:
            let extended = dialect == .xensock2
            return .socket(
                id: id, domain: words.u32(EntryLayout.Socket.domain), type: words.u32(EntryLayout.Socket.type),
                protocol: words.u32(EntryLayout.Socket.protocol),
                eventChannel: EventChannelPort(extended ? words.u32(EntryLayout.Socket.eventChannel) : 0),
                indexesPage: GrantReference(extended ? words.u32(EntryLayout.Socket.indexesPage) : 0))
        case .connect:
            guard let address = address(words, incoming.requestID, arguments) else { return nil }
            return .connect(
                id: id, address: address, flags: words.u32(EntryLayout.Connect.flags),
                ring: .indexesPage(GrantReference(words.u32(EntryLayout.Connect.reference))),
                eventChannel: EventChannelPort(words.u32(EntryLayout.Connect.eventChannel)))
        case .release:
            // Only exactly 1: Linux's frontend leaves the byte uninitialised.
            return .release(id: id, reuse: dialect == .pvcalls1 && words.u8(EntryLayout.Release.reuse) == 1)
        case .bind:
            guard let address = address(words, incoming.requestID, arguments) else { return nil }
            return .bind(id: id, address: address)
        case .listen:
            return .listen(id: id, backlog: words.i32(EntryLayout.Listen.backlog))
        case .accept:
            return .accept(
                id: id, newID: SocketID(words.u64(EntryLayout.Accept.newID)),
                ring: .indexesPage(GrantReference(words.u32(EntryLayout.Accept.reference))),
                eventChannel: EventChannelPort(words.u32(EntryLayout.Accept.eventChannel)))
        case .poll:
            return .poll(id: id)
        case .shutdown:
            return .shutdown(
                id: id, how: words.u32(EntryLayout.Shutdown.how),
                outProducer: words.u32(EntryLayout.Shutdown.outProducer))
        case .getsockname:
            return .getsockname(id: id)
        case .getpeername:
            return .getpeername(id: id)
        case .getsockopt:
            guard let length = optionLength(words) else { return nil }
            return .getsockopt(
                id: id, level: words.i32(EntryLayout.Option.level), name: words.i32(EntryLayout.Option.name),
                length: length)
        case .setsockopt:
            guard let length = optionLength(words) else { return nil }
            return .setsockopt(
                id: id, level: words.i32(EntryLayout.Option.level), name: words.i32(EntryLayout.Option.name),
                length: length, outProducer: words.u32(EntryLayout.Option.outProducer))
        case .ioctl:
            return .ioctl(id: id, request: words.u32(EntryLayout.IOControl.request))
        case .sendOOB:
            return .sendOOB(
                id: id, outProducer: words.u32(EntryLayout.SendOOB.outProducer),
                byte: words.u8(EntryLayout.SendOOB.byte))
        case .relay:
            return .relay(id: id)
        case .flush:
            return .flush(id: id, outProducer: words.u32(EntryLayout.Flush.outProducer))
        case .recverr:
            return .recverr(id: id, offset: words.u32(EntryLayout.ReceiveError.offset))
        case .look:
            return .look(id: id)
        case nil:
            return .unknown(command: incoming.command, id: id)
        }
    }

    private func address(_ words: Words<8>, _ requestID: UInt32, _ arguments: ArgumentArea?) -> SocketAddress? {
        let slot = overflow(requestID, arguments).map { UnsafeRawPointer($0) }
        return words.address(
            at: EntryLayout.Connect.address, length: words.u32(EntryLayout.Connect.length), overflow: slot)
    }

    private func optionLength(_ words: Words<8>) -> UInt32? {
        let length = words.u32(EntryLayout.Option.length)
        return length <= UInt32(ArgumentArea.slotSize) ? length : nil
    }
}
