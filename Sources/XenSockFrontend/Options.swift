import CXenSockSystem
import XenSockPlatform
import XenSockRing
import XenSockWire

/// Options, flags and controls.
extension Frontend {
    /// getsockopt(2). Everything is the backend's to answer, but for what the frontend decides: the pending error, and
    /// the time limits of its waits.
    public static func getOption(
        _ handle: SocketHandle, level: Int32, name: Int32, _ value: UnsafeMutableRawPointer?,
        _ length: UnsafeMutablePointer<socklen_t>?
    ) -> Int {
        guard let length else { return -Int(EFAULT) }
        let capacity = Int32(bitPattern: length.pointee)
        if capacity < 0 { return -Int(EINVAL) }
        guard let value else { return -Int(EFAULT) }
        if level == SOL_SOCKET {
            switch name {
            case SO_ERROR:
                let taken = handle.isDatagram ? handle.datagram.takeErrorAndTidy() : handle.status.takeError()
                var error = Int32(truncatingIfNeeded: taken)
                let size = min(Int(capacity), 4)
                memcpy(value, &error, size)
                length.pointee = socklen_t(size)
                return 0
            case Int32(SO_RCVTIMEO), Int32(SO_SNDTIMEO):
                let word =
                    name == Int32(SO_RCVTIMEO) ? handle.status.receiveTimeout : handle.status.sendTimeout
                let nanoseconds = Int(truncatingIfNeeded: word.load())
                var time = timeval()
                time.tv_sec = nanoseconds / 1_000_000_000
                time.tv_usec = nanoseconds % 1_000_000_000 / 1000
                let size = min(Int(capacity), MemoryLayout<timeval>.size)
                memcpy(value, &time, size)
                length.pointee = socklen_t(size)
                return 0
            default: break
            }
        }
        if handle.isV1 { return v1GetOption(handle, level: level, name: name, value, length) }
        let room = min(Int(capacity), ArgumentArea.slotSize)
        let response = command(
            handle, .getsockopt(id: handle.entry.id, level: level, name: name, length: UInt32(room)),
            input: UnsafeRawBufferPointer(start: value, count: room),
            output: UnsafeMutableRawBufferPointer(start: value, count: room))
        if response.ret != 0 { return Int(response.ret) }
        guard case .length(let size) = response.payload else { return -Int(EIO) }
        length.pointee = min(size, UInt32(room))
        return 0
    }

    /// setsockopt(2).
    public static func setOption(
        _ handle: SocketHandle, level: Int32, name: Int32, _ value: UnsafeRawPointer?, length: UInt32
    ) -> Int {
        guard length <= UInt32(ArgumentArea.slotSize) else { return -Int(EINVAL) }
        if level == SOL_SOCKET, name == Int32(SO_RCVTIMEO) || name == Int32(SO_SNDTIMEO) {
            return setTimeout(handle, name, value, length)
        }
        if handle.isV1 { return v1SetOption(handle, level: level, name: name, value, length: length) }
        if value == nil, length > 0 { return -Int(EFAULT) }
        if handle.isDatagram {
            settleOutput(handle)
            DatagramVerdicts(handle.socket.indexes).forget()
        }
        let response = command(
            handle,
            .setsockopt(
                id: handle.entry.id, level: level, name: name, length: length,
                outProducer: handle.socket.output.produced),
            input: UnsafeRawBufferPointer(start: value, count: value == nil ? 0 : Int(length)))
        if response.ret == 0, level == IPPROTO_TCP, name == 36 /* TCP_INQ */, length >= 4, let value {
            handle.status.set(tellsUnread, value.loadUnaligned(as: Int32.self) != 0)
        }
        if response.ret == 0, level == SOL_SOCKET, let value, length >= 4 { noteBuffer(handle, name, value) }
        return Int(response.ret)
    }

    /// SO_SNDBUF (and SO_SNDBUFFORCE) bounds what stands in `out`, too.
    private static func noteBuffer(_ handle: SocketHandle, _ name: Int32, _ value: UnsafeRawPointer) {
        guard name == SO_SNDBUF || name == 32 else { return }
        handle.status.setSendLimit(BufferLimit.bytes(value.loadUnaligned(as: Int32.self)))
    }

    /// A connection inherits its listener's buffer sizes.
    static func inheritSendLimit(_ fd: Int32, from listener: SocketHandle) {
        let limit = listener.status.sendLimit
        if limit != BufferLimit.none, let accepted = find(fd) { accepted.status.setSendLimit(limit) }
    }

    /// SO_RCVTIMEO and SO_SNDTIMEO bound the frontend's own waits; the first is the placeholder's too, since the kernel
    /// waits for its tokens.
    private static func setTimeout(_ handle: SocketHandle, _ name: Int32, _ value: UnsafeRawPointer?, _ length: UInt32)
        -> Int
    {
        guard let value else { return -Int(EFAULT) }
        if length < UInt32(MemoryLayout<timeval>.size) { return -Int(EINVAL) }
        let result = Kernel.setOption(handle.fd, Int32(SOL_SOCKET), name, value, length)
        if result < 0 { return result }
        let time = value.loadUnaligned(as: timeval.self)
        let seconds = min(max(time.tv_sec, 0), 9_000_000_000)
        let nanoseconds = time.tv_sec < 0 ? 1 : UInt64(seconds) &* 1_000_000_000 &+ UInt64(time.tv_usec) &* 1000
        if name == Int32(SO_RCVTIMEO) {
            handle.status.receiveTimeout.store(nanoseconds)
        } else {
            handle.status.sendTimeout.store(nanoseconds)
        }
        return 0
    }

    /// fcntl(2). The kernel does it on the placeholder, which carries O_NONBLOCK for every copy of the descriptor; the
    /// status line remembers it, because a call must know without asking.
    public static func fileControl(_ handle: SocketHandle, command: Int32, argument: Int) -> Int {
        let result = Kernel.fileControl(handle.fd, command, argument)
        if result < 0 { return result }
        switch command {
        case F_SETFL:
            handle.status.set(StatusLine.Flag.nonBlocking, argument & Int(O_NONBLOCK) != 0)
        case F_DUPFD, Int32(F_DUPFD_CLOEXEC):
            duplicated(from: handle.fd, to: Int32(result))
        default: break
        }
        return result
    }

    /// ioctl(2).
    public static func ioctl(_ handle: SocketHandle, request: UInt, _ argument: UnsafeMutableRawPointer?) -> Int {
        switch request {
        case UInt(FIONBIO):
            guard let argument else { return -Int(EFAULT) }
            let on = argument.loadUnaligned(as: Int32.self) != 0
            let result = Kernel.ioctl(handle.fd, request, argument)
            if result == 0 { handle.status.set(StatusLine.Flag.nonBlocking, on) }
            return result
        case UInt(FIOASYNC), 0x5450 /* FIONCLEX */, 0x5451 /* FIOCLEX */:
            return Kernel.ioctl(handle.fd, request, argument)
        case UInt(FIONREAD) where handle.isV1:
            guard let argument else { return -Int(EFAULT) }
            argument.storeBytes(of: Int32(truncatingIfNeeded: handle.v1.readable), as: Int32.self)
            return 0
        case UInt(TIOCOUTQ) where handle.isV1, 0x8905 where handle.isV1:
            return -Int(EOPNOTSUPP)
        case UInt(FIONREAD) where handle.isRelayed:
            return Kernel.ioctl(handle.fd, request, argument)
        case UInt(FIONREAD) where handle.isDatagram:
            guard let size = handle.datagram.nextSize() else { return queued(handle, request, argument, ring: nil) }
            guard let argument else { return -Int(EFAULT) }
            argument.storeBytes(of: size, as: Int32.self)
            return 0
        case UInt(FIONREAD):
            return queued(handle, request, argument, ring: readable(handle))
        case UInt(TIOCOUTQ):
            let view = handle.isRelayed ? nil : try? handle.socket.output.view()
            return queued(handle, request, argument, ring: Int32(truncatingIfNeeded: view?.used ?? 0))
        case 0x8905 /* SIOCATMARK */:
            return queued(handle, request, argument, ring: nil)
        default:
            return interfaceControl(request, argument)
        }
    }

    static func readable(_ handle: SocketHandle) -> Int32 {
        guard let view = try? handle.socket.input.view() else { return 0 }
        return Int32(truncatingIfNeeded: view.count)
    }

    /// What the kernel's queue in the backend domain holds, and what stands in the ring before it.
    private static func queued(
        _ handle: SocketHandle, _ request: UInt, _ argument: UnsafeMutableRawPointer?, ring: Int32?
    ) -> Int {
        guard let argument else { return -Int(EFAULT) }
        let response = command(handle, .ioctl(id: handle.entry.id, request: UInt32(truncatingIfNeeded: request)))
        if response.ret != 0 { return Int(response.ret) }
        guard case .value(let value) = response.payload else { return -Int(EIO) }
        argument.storeBytes(of: value &+ (ring ?? 0), as: Int32.self)
        return 0
    }
}

/// Out-of-band data.
enum Urgent {
    /// send(2) with MSG_OOB: the last byte is urgent and stands behind all others.
    static func send(_ handle: SocketHandle, _ vectors: UnsafePointer<iovec>, _ count: Int, flags: Int32) -> Int {
        if handle.isV1 { return -Int(EOPNOTSUPP) }
        guard let cursor = VectorCursor(vectors, count) else { return -Int(EINVAL) }
        guard cursor.total > 0 else { return 0 }
        if cursor.isFaulty { return -Int(EFAULT) }
        // One byte at a time is all that programs send urgently; what stands before it goes the ordinary way.
        guard cursor.total == 1 else { return -Int(EOPNOTSUPP) }
        guard case .connected = handle.status.state, !handle.status.has(StatusLine.Flag.writeShut) else {
            return -Int(EPIPE)
        }
        var byte: UInt8 = 0
        var reader = cursor
        withUnsafeMutableBytes(of: &byte) { reader.load(into: $0) }
        let response = Frontend.command(
            handle,
            .sendOOB(id: handle.entry.id, outProducer: handle.socket.output.produced, byte: byte))
        return response.ret == 0 ? 1 : Int(response.ret)
    }

    /// recv(2) with MSG_OOB: urgent data that came in is delivered in line, so none stands apart.
    static func receive(_ handle: SocketHandle, _ vectors: UnsafePointer<iovec>, _ count: Int, flags: Int32) -> Int {
        -Int(EINVAL)
    }
}
