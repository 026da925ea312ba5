import XenSockRing
import XenSockWire

/// Requests that act on the real socket itself. All return 0 or a negative errno, as the kernel does.
extension BackendSocket {
    func bind(_ address: UnsafeRawBufferPointer) -> Int32 {
        guard network >= 0 else { return 0 &- Errno.eopnotsupp }
        return kernel.bind(network, address)
    }

    /// Whether the kernel refuses an address because it is AF_UNIX's and the socket is not: nothing is to be decided then.
    func refusesFamily(_ address: UnsafeRawBufferPointer) -> Bool {
        domain != SocketDomain.unix && address.count >= 2
            && UInt32(address.loadUnaligned(as: UInt16.self)) == SocketDomain.unix
    }

    /// What the policy is asked about a connect to, or a bind to, `address`.
    func connectOperation(_ address: UnsafeRawBufferPointer) -> PolicyOperation {
        datagrams == nil ? .connect(address) : .connectDatagrams(address, type: Int32(bitPattern: type))
    }

    func bindOperation(_ address: UnsafeRawBufferPointer) -> PolicyOperation {
        datagrams == nil ? .bind(address) : .bindDatagrams(address, type: Int32(bitPattern: type))
    }

    /// shutdown(2). The write side ends behind byte `position` of `out`.
    func shutdown(how: UInt32, at position: UInt32) -> Int32 {
        guard how <= UInt32(ShutdownHow.both) else { return 0 &- Errno.einval }
        if phase == .datagram { return shutdownDatagrams(how: Int32(how)) }
        if phase == .listening, network >= 0 {
            let result = kernel.shutdown(network, how: Int32(how))
            // A program asleep in accept must wake to learn that there is nothing to accept from any more.
            if result == 0, how != UInt32(ShutdownHow.write), !endOfFile {
                guarded { () throws(RingViolation) in try finishReading() }
            }
            return result
        }
        if phase == .connecting, network >= 0 {
            if kernel.poll(network, .output).isEmpty { return abortConnect(how: Int32(how)) }
            guarded { () throws(RingViolation) in try decideConnect(EpollEvents.output) }
        }
        guard phase == .connected else { return 0 &- Errno.enotconn }
        guard network < 0 || kernel.shutsDown(network) else { return 0 &- Errno.eopnotsupp }
        if isRelayed { return shutdownRelayed(how: how, at: position) }
        if how != UInt32(ShutdownHow.write), network >= 0 {
            let result = kernel.shutdown(network, how: ShutdownHow.read)
            guard result == 0 else { return result }
            isReadShut = true
            readable = true
            trustsShortReads = false
            wantsTurn = true
            // The end shows when the call returns, unless there is more before it than `in` holds.
            guarded { () throws(RingViolation) in
                for _ in 0..<Self.turnsToTheEnd where readable && !endOfFile { try receiveTurn() }
            }
            guard phase == .connected else { return how == UInt32(ShutdownHow.read) ? 0 : 0 &- Errno.enotconn }
        }
        guard how != UInt32(ShutdownHow.read) else { return 0 }
        let result = network < 0 ? 0 : perform(.shutdownWrite, at: position)
        guard result == 0, phase == .connected else { return result }
        // A write side that is shut polls writable, and hung up once the peer has finished too.
        guarded { () throws(RingViolation) in settle(try outRing.breakDown()) }
        shutPlaceholder(ShutdownHow.read)
        return 0
    }

    /// Turns that a full ring's bytes take, and one for the end.
    private static var turnsToTheEnd: Int { 16 }

    func sendOutOfBand(_ byte: UInt8, at position: UInt32) -> Int32 {
        guard network >= 0, phase == .connected else { return 0 &- Errno.enotconn }
        guard !outClosed else { return 0 &- Errno.epipe }
        return perform(.urgent(byte), at: position)
    }

    /// - Parameter written: where the bytes end that the program has written, if it is the agent who knows.
    func ioctl(request: UInt32, value: inout Int32, written: UInt32? = nil) -> Int32 {
        guard network >= 0 else { return 0 &- Errno.enotty }
        switch request {
        case IoctlRequest.inputQueue, IoctlRequest.outputQueue, IoctlRequest.outputQueueUnsent, IoctlRequest.atMark:
            let result = kernel.ioctl(network, request: request, value: &value)
            if result == 0, let relay { value &+= staged(relay, request) }
            if result == 0, let written { value &+= stagedAtAgent(request, written: written) }
            return result
        default:
            return 0 &- Errno.enotty
        }
    }

    /// - Parameters:
    ///   - value: private memory with room for `length` bytes, at most 512.
    ///   - length: the room; then the value's length.
    func getsockopt(level: Int32, name: Int32, value: UnsafeMutableRawPointer, length: inout UInt32) -> Int32 {
        guard network >= 0 else { return 0 &- Errno.enoprotoopt }
        let refusal = OptionRules.refusal(domain: domain, type: type, level: level, name: name, value: nil)
        guard refusal == 0 else { return 0 &- refusal }
        if let pending = pendingOption(level: level, name: name) {
            length = min(length, UInt32(pending.length))
            withUnsafeBytes(of: pending.value) { value.copyMemory(from: $0.baseAddress!, byteCount: Int(length)) }
            return 0
        }
        if level == OptionNumber.solSocket, name == OptionNumber.soUrgentInline, type == SocketType.stream {
            length = min(length, 4)
            withUnsafeBytes(of: Int32(isUrgentInline ? 1 : 0)) {
                value.copyMemory(from: $0.baseAddress!, byteCount: Int(length))
            }
            return 0
        }
        if level == OptionNumber.solSocket, name == OptionNumber.soReceiveLowWater, type == SocketType.stream {
            length = min(length, 4)
            withUnsafeBytes(of: lowWater) { value.copyMemory(from: $0.baseAddress!, byteCount: Int(length)) }
            return 0
        }
        return kernel.getsockopt(network, level: level, name: name, value: value, length: &length)
    }

    /// - Parameters:
    ///   - value: private memory, at most 512 bytes.
    ///   - position: the index of `out` at which options that act on the stream take effect.
    func setsockopt(level: Int32, name: Int32, value: UnsafeRawBufferPointer, at position: UInt32) -> Int32 {
        guard network >= 0 else { return 0 &- Errno.enoprotoopt }
        let refusal = OptionRules.refusal(domain: domain, type: type, level: level, name: name, value: value)
        guard refusal == 0 else { return 0 &- refusal }
        let isStream = type == SocketType.stream
        if level == OptionNumber.solSocket, name == OptionNumber.soReceiveLowWater, isStream {
            return setLowWater(value)
        }
        if level == OptionNumber.solSocket, name == OptionNumber.soUrgentInline, isStream {
            // Not the kernel's: the byte is wanted before the stream has come to it.
            isUrgentInline = value.loadUnaligned(as: Int32.self) != 0
            return 0
        }
        guard let size = OptionRules.orderedSize(level: level, name: name) else {
            let result = kernel.setsockopt(network, level: level, name: name, value: value)
            if result == 0 { noteBuffer(level: level, name: name, value: value) }
            return result
        }
        guard value.count >= size else { return 0 &- Errno.einval }
        if level == OptionNumber.ipprotoTCP, domain == SocketDomain.unix { return 0 &- Errno.eopnotsupp }
        var word: UInt64 = 0
        withUnsafeMutableBytes(of: &word) { $0.copyMemory(from: UnsafeRawBufferPointer(rebasing: value[0..<size])) }
        return perform(.option(level: level, name: name, value: word, length: size), at: position)
    }

    /// - Parameter address: room for 128 bytes.
    func getsockname(_ address: UnsafeMutableRawPointer, length: inout UInt32) -> Int32 {
        guard network >= 0 else { return 0 &- Errno.eopnotsupp }
        return kernel.getsockname(network, address: address, length: &length)
    }

    func getpeername(_ address: UnsafeMutableRawPointer, length: inout UInt32) -> Int32 {
        guard network >= 0 else { return 0 &- Errno.enotconn }
        return kernel.getpeername(network, address: address, length: &length)
    }
}
