/// Encodes and decodes the entries of a command ring. Slots and the argument area are shared memory, aligned to 8.
public struct RequestCodec: Sendable {
    public let dialect: Dialect

    public init(_ dialect: Dialect) {
        self.dialect = dialect
    }

    /// Writes a request to `slot` (`dialect.slotSize` bytes); what it does not use is zero.
    ///
    /// `arguments` takes addresses above 28 bytes (`xensock2`); a SETSOCKOPT's value is written there by the caller
    /// before. `pages` lists the data ring of a `draft1` CONNECT or ACCEPT. Throws EOPNOTSUPP if the dialect has no such
    /// command, EINVAL if it cannot carry an argument; then nothing was written to `slot`.
    public func encode(
        _ request: Request, requestID: UInt32, into slot: UnsafeMutableRawPointer, arguments: ArgumentArea? = nil,
        pages: UnsafePointer<Draft1Pages>? = nil
    ) throws(WireError) {
        let number: UInt32
        if let command = request.command {
            guard let known = command.number(in: dialect) else { throw .EOPNOTSUPP }
            number = known
        } else if case .unknown(let raw, _) = request {
            number = raw
        } else {
            throw .EINVAL
        }
        if dialect == .draft1 {
            try encodeDraft1(request, number: number, requestID: requestID, into: slot, pages: pages)
            return
        }
        var words = Words<8>()
        words.set(EntryLayout.requestID, requestID)
        words.set(EntryLayout.command, number)
        words.set(EntryLayout.id, request.id.rawValue)
        try fill(&words, from: request, requestID: requestID, arguments: arguments)
        words.store(to: slot)
    }

    private func fill(
        _ words: inout Words<8>, from request: Request, requestID: UInt32, arguments: ArgumentArea?
    ) throws(WireError) {
        switch request {
        case .socket(_, let domain, let type, let `protocol`, let eventChannel, let indexesPage):
            words.set(EntryLayout.Socket.domain, domain)
            words.set(EntryLayout.Socket.type, type)
            words.set(EntryLayout.Socket.protocol, `protocol`)
            if dialect == .xensock2 {
                words.set(EntryLayout.Socket.eventChannel, eventChannel.rawValue)
                words.set(EntryLayout.Socket.indexesPage, indexesPage.rawValue)
            }
        case .connect(_, let address, let flags, let ring, let eventChannel):
            guard case .indexesPage(let reference) = ring else { throw .EINVAL }
            try putAddress(address, in: &words, requestID: requestID, arguments: arguments)
            words.set(EntryLayout.Connect.flags, flags)
            words.set(EntryLayout.Connect.reference, reference.rawValue)
            words.set(EntryLayout.Connect.eventChannel, eventChannel.rawValue)
        case .release(_, let reuse):
            words.set(EntryLayout.Release.reuse, UInt8(reuse && dialect == .pvcalls1 ? 1 : 0))
        case .bind(_, let address):
            try putAddress(address, in: &words, requestID: requestID, arguments: arguments)
        case .listen(_, let backlog):
            words.set(EntryLayout.Listen.backlog, backlog)
        case .accept(_, let newID, let ring, let eventChannel):
            guard case .indexesPage(let reference) = ring else { throw .EINVAL }
            words.set(EntryLayout.Accept.newID, newID.rawValue)
            words.set(EntryLayout.Accept.reference, reference.rawValue)
            words.set(EntryLayout.Accept.eventChannel, eventChannel.rawValue)
        case .shutdown(_, let how, let outProducer):
            words.set(EntryLayout.Shutdown.how, how)
            words.set(EntryLayout.Shutdown.outProducer, outProducer)
        case .getsockopt(_, let level, let name, let length):
            guard length <= UInt32(ArgumentArea.slotSize) else { throw .EINVAL }
            words.set(EntryLayout.Option.level, level)
            words.set(EntryLayout.Option.name, name)
            words.set(EntryLayout.Option.length, length)
        case .setsockopt(_, let level, let name, let length, let outProducer):
            guard length <= UInt32(ArgumentArea.slotSize) else { throw .EINVAL }
            words.set(EntryLayout.Option.level, level)
            words.set(EntryLayout.Option.name, name)
            words.set(EntryLayout.Option.length, length)
            words.set(EntryLayout.Option.outProducer, outProducer)
        case .ioctl(_, let request):
            words.set(EntryLayout.IOControl.request, request)
        case .sendOOB(_, let outProducer, let byte):
            words.set(EntryLayout.SendOOB.outProducer, outProducer)
            words.set(EntryLayout.SendOOB.byte, byte)
        case .flush(_, let outProducer):
            words.set(EntryLayout.Flush.outProducer, outProducer)
        case .recverr(_, let offset):
            words.set(EntryLayout.ReceiveError.offset, offset)
        case .poll, .look, .getsockname, .getpeername, .relay, .unknown:
            break
        }
    }

    /// CONNECT's and BIND's address stand at the same offsets.
    private func putAddress(
        _ address: SocketAddress, in words: inout Words<8>, requestID: UInt32, arguments: ArgumentArea?
    ) throws(WireError) {
        guard
            words.putAddress(
                address, at: EntryLayout.Connect.address, overflow: overflow(requestID, arguments))
        else { throw .EINVAL }
        words.set(EntryLayout.Connect.length, UInt32(truncatingIfNeeded: address.length))
    }

    /// Where an address that the entry cannot hold goes; nil if there is no such place.
    func overflow(_ requestID: UInt32, _ arguments: ArgumentArea?) -> UnsafeMutableRawPointer? {
        dialect == .xensock2 ? arguments?.slot(requestID) : nil
    }
}
