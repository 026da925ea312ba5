/// Responses: written by the backend into the slots of requests that it has taken, read by the frontend.
extension RequestCodec {
    /// Writes a response to `slot`; what it does not use of the entry is zero. `ret` goes out as the dialect carries it
    /// (`WireError.toWire`), payloads in `xensock2` only. An address above 28 bytes goes to the argument slot;
    /// throws EINVAL, with nothing written to `slot`, if there is none.
    public func encode(
        _ response: Response, into slot: UnsafeMutableRawPointer, arguments: ArgumentArea? = nil
    ) throws(WireError) {
        let ret = WireError.toWire(response.ret, in: dialect)
        if dialect == .draft1 {
            var words = Words<39>()
            words.set(Draft1.requestID, response.requestID)
            words.set(Draft1.command, response.command)
            words.set(Draft1.Response.id, response.id.rawValue)
            words.set(Draft1.Response.ret, ret)
            words.store(to: slot)
            return
        }
        var words = Words<8>()
        words.set(EntryLayout.requestID, response.requestID)
        words.set(EntryLayout.command, response.command)
        words.set(EntryLayout.Response.ret, ret)
        words.set(EntryLayout.Response.id, response.id.rawValue)
        if dialect == .xensock2 {
            switch response.payload {
            case .none:
                break
            case .address(let address):
                try putAddress(address, of: response, in: &words, arguments)
            case .accepted(let address, let empty, let arrivals):
                try putAddress(address, of: response, in: &words, arguments)
                words.set(EntryLayout.Response.empty, UInt32(empty ? 1 : 0))
                words.set(EntryLayout.Response.arrivals, arrivals)
            case .length(let length):
                guard length <= UInt32(ArgumentArea.slotSize) else { throw .EINVAL }
                words.set(EntryLayout.Response.length, length)
            case .value(let value):
                words.set(EntryLayout.Response.value, value)
            }
        }
        words.store(to: slot)
    }

    /// Reads the response at `slot`, which its writer may still change: copied first, each field read once.
    ///
    /// Never fails: a payload out of bounds, or a `ret` that is no error number, gives an answer of -EIO without
    /// payload. `requestID`, `command` and `id` are as the peer wrote them: the caller finds its request by `requestID`
    /// (bounded by `dialect.slotCount` if it numbers by slot) and believes only what it remembers of it.
    public func decodeResponse(from slot: UnsafeRawPointer, arguments: ArgumentArea? = nil) -> Response {
        if dialect == .draft1 {
            let words = Words<3>(loading: slot)
            return Response(
                requestID: words.u32(Draft1.requestID), command: words.u32(Draft1.command),
                ret: WireError.fromWire(words.i32(Draft1.Response.ret)), id: SocketID(words.u64(Draft1.Response.id)))
        }
        let words = Words<8>(loading: slot)
        var response = Response(
            requestID: words.u32(EntryLayout.requestID), command: words.u32(EntryLayout.command),
            ret: WireError.fromWire(words.i32(EntryLayout.Response.ret)),
            id: SocketID(words.u64(EntryLayout.Response.id)))
        guard dialect == .xensock2 else { return response }
        if let payload = payload(of: response, words, arguments) {
            response.payload = payload
        } else {
            response.ret = WireError.EIO.ret
        }
        return response
    }

    /// Nil for a length out of bounds.
    private func payload(of response: Response, _ words: Words<8>, _ arguments: ArgumentArea?) -> Response.Payload? {
        let length = words.u32(EntryLayout.Response.length)
        let slot = overflow(response.requestID, arguments).map { UnsafeRawPointer($0) }
        switch Command(number: response.command, in: dialect) {
        case .accept:
            guard let address = words.address(at: EntryLayout.Response.address, length: length, overflow: slot) else {
                return nil
            }
            return .accepted(
                address, empty: words.u32(EntryLayout.Response.empty) != 0,
                arrivals: words.u32(EntryLayout.Response.arrivals))
        case .getsockname where response.ret == 0, .getpeername where response.ret == 0:
            return words.address(at: EntryLayout.Response.address, length: length, overflow: slot).map {
                .address($0)
            }
        case .getsockopt where response.ret == 0, .recverr where response.ret == 0:
            return length <= UInt32(ArgumentArea.slotSize) ? .length(length) : nil
        case .ioctl where response.ret == 0:
            return .value(words.i32(EntryLayout.Response.value))
        default:
            return Response.Payload.none
        }
    }

    private func putAddress(
        _ address: SocketAddress, of response: Response, in words: inout Words<8>, _ arguments: ArgumentArea?
    ) throws(WireError) {
        guard
            words.putAddress(
                address, at: EntryLayout.Response.address, overflow: overflow(response.requestID, arguments))
        else { throw .EINVAL }
        words.set(EntryLayout.Response.length, UInt32(truncatingIfNeeded: address.length))
    }
}
