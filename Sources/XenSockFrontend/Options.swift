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
        guard let length, UserMemory.isWritable(length) else { return -Int(EFAULT) }
        let capacity = Int32(bitPattern: length.pointee)
        if capacity < 0 { return -Int(EINVAL) }
        guard let value, UserMemory.isAccessible(value, min(Int(capacity), 4), writing: true) else {
            return capacity == 0 && value == nil ? getOptionWithoutRoom(handle, level, name, length) : -Int(EFAULT)
        }
        let name = oldTimeout(level, name)
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
                guard UserMemory.isAccessible(value, size, writing: true) else { return -Int(EFAULT) }
                memcpy(value, &time, size)
                length.pointee = socklen_t(size)
                return 0
            default: break
            }
        }
        if handle.isV1 { return v1GetOption(handle, level: level, name: name, value, length) }
        return forwardOption(handle, level, name, value, min(Int(capacity), ArgumentArea.slotSize), length)
    }

    /// A value goes through a buffer: the kernel touches no more of the program's than the value is long.
    private static func forwardOption(
        _ handle: SocketHandle, _ level: Int32, _ name: Int32, _ value: UnsafeMutableRawPointer, _ room: Int,
        _ length: UnsafeMutablePointer<socklen_t>
    ) -> Int {
        withUnsafeTemporaryAllocation(byteCount: ArgumentArea.slotSize, alignment: 8) { buffer in
            // Some options read what they are asked from the value.
            let known = UserMemory.isAccessible(value, room, writing: false) ? room : 0
            memset(buffer.baseAddress!, 0, buffer.count)
            memcpy(buffer.baseAddress!, value, known)
            let response = command(
                handle, .getsockopt(id: handle.entry.id, level: level, name: name, length: UInt32(room)),
                input: UnsafeRawBufferPointer(rebasing: UnsafeRawBufferPointer(buffer)[0..<room]), output: buffer)
            if response.ret != 0 { return Int(response.ret) }
            guard case .length(let size) = response.payload else { return -Int(EIO) }
            let count = min(Int(size), room)
            guard UserMemory.isAccessible(value, count, writing: true) else { return -Int(EFAULT) }
            memcpy(value, buffer.baseAddress!, count)
            length.pointee = socklen_t(count)
            return 0
        }
    }

    /// getsockopt(2) into nothing, which asks only whether there is such an option.
    private static func getOptionWithoutRoom(
        _ handle: SocketHandle, _ level: Int32, _ name: Int32, _ length: UnsafeMutablePointer<socklen_t>
    ) -> Int {
        var nothing: UInt64 = 0
        return withUnsafeMutableBytes(of: &nothing) {
            getOption(handle, level: level, name: name, $0.baseAddress, length)
        }
    }

    /// SO_RCVTIMEO_NEW (66) and SO_SNDTIMEO_NEW (67) have the older names' structure on 64-bit machines.
    private static func oldTimeout(_ level: Int32, _ name: Int32) -> Int32 {
        level == SOL_SOCKET && (name == 66 || name == 67) ? name &- 66 &+ Int32(SO_RCVTIMEO) : name
    }

    /// setsockopt(2).
    public static func setOption(
        _ handle: SocketHandle, level: Int32, name: Int32, _ value: UnsafeRawPointer?, length: UInt32
    ) -> Int {
        if Int32(bitPattern: length) < 0 { return -Int(EINVAL) }
        let name = oldTimeout(level, name)
        // No option that is not refused is longer; what reads less ignores the rest.
        let length = min(length, UInt32(ArgumentArea.slotSize))
        if level == SOL_SOCKET, name == Int32(SO_RCVTIMEO) || name == Int32(SO_SNDTIMEO) {
            return setTimeout(handle, name, value, length)
        }
        if handle.isV1 { return v1SetOption(handle, level: level, name: name, value, length: length) }
        if handle.isDatagram {
            settleOutput(handle)
            DatagramVerdicts(handle.socket.indexes).forget()
        }
        let result = forwardSetting(handle, level, name, value, length)
        if result == 0, level == IPPROTO_TCP, name == 36 /* TCP_INQ */, length >= 4, let value {
            handle.status.set(tellsUnread, value.loadUnaligned(as: Int32.self) != 0)
        }
        if result == 0, level == SOL_SOCKET, let value, length >= 4 { noteBuffer(handle, name, value) }
        if result == 0, level == SOL_SOCKET, !handle.isDatagram, let value { noteSetting(handle, name, value) }
        if result == 0, level == SOL_SOCKET, name == 45 /* SO_SELECT_ERR_QUEUE */, length >= 4, let value {
            handle.status.set(StatusLine.Flag.errorQueueIsUrgent, value.loadUnaligned(as: Int32.self) != 0)
        }
        return result
    }

    private static func forwardSetting(
        _ handle: SocketHandle, _ level: Int32, _ name: Int32, _ value: UnsafeRawPointer?, _ length: UInt32
    ) -> Int {
        // What the kernel does not read need not be there.
        var present = Int(length)
        if !UserMemory.isAccessible(value, present, writing: false) {
            present = min(present, 4)
            guard UserMemory.isAccessible(value, present, writing: false) else { return -Int(EFAULT) }
        }
        if let value, Posting.setOption(handle, level: level, name: name, value, length: UInt32(present)) { return 0 }
        let response = command(
            handle,
            .setsockopt(
                id: handle.entry.id, level: level, name: name, length: length,
                outProducer: handle.socket.output.produced),
            input: UnsafeRawBufferPointer(start: value, count: value == nil ? 0 : present))
        if response.ret == 0, let value {
            Posting.succeeded(handle, level: level, name: name, value, length: UInt32(present))
        }
        return Int(response.ret)
    }

    /// Options that the backend accepted and that the frontend's own calls follow.
    private static func noteSetting(_ handle: SocketHandle, _ name: Int32, _ setting: UnsafeRawPointer) {
        if name == Int32(SO_LINGER) { return noteLinger(handle, setting) }
        // SO_RCVLOWAT, SO_PEEK_OFF, SO_OOBINLINE.
        guard name == 18 || name == 42 || name == 10 else { return }
        var value: Int32 = 0
        var length = socklen_t(4)
        guard getOption(handle, level: Int32(SOL_SOCKET), name: name, &value, &length) == 0 else { return }
        if handle.isRelayed, name != 42 { LocalDomain.set(handle.fd, name, value) }
        if name == 18 {
            handle.socket.setLowWater(UInt32(bitPattern: value))
        } else if name == 10 {
            handle.status.set(StatusLine.Flag.urgentInline, value != 0)
        } else {
            handle.status.peekOffset.store(value < 0 ? 0 : UInt32(value) &+ 1)
        }
    }

    /// What was accepted had both words; Linux keeps them as they are.
    private static func noteLinger(_ handle: SocketHandle, _ setting: UnsafeRawPointer) {
        let isOn = setting.loadUnaligned(as: Int32.self) != 0
        let seconds = setting.loadUnaligned(fromByteOffset: 4, as: Int32.self)
        handle.status.linger.store(isOn ? UInt32(bitPattern: max(seconds, 0)) : 0)
    }

    /// SO_SNDBUF (and SO_SNDBUFFORCE) bounds what stands in `out`, too.
    private static func noteBuffer(_ handle: SocketHandle, _ name: Int32, _ value: UnsafeRawPointer) {
        guard name == SO_SNDBUF || name == 32 else { return }
        handle.status.setSendLimit(BufferLimit.bytes(value.loadUnaligned(as: Int32.self)))
    }

    /// What a connection has from its listener: the bound of its buffer, and that it is TCP.
    static func inherit(_ fd: Int32, from listener: SocketHandle) {
        guard let accepted = find(fd) else { return }
        let limit = listener.status.sendLimit
        if limit != BufferLimit.none { accepted.status.setSendLimit(limit) }
        if listener.status.has(StatusLine.Flag.plainTCP) { accepted.status.set(StatusLine.Flag.plainTCP, true) }
        inheritTimeout(accepted, Int32(SO_RCVTIMEO), listener.status.receiveTimeout, accepted.status.receiveTimeout)
        inheritTimeout(accepted, Int32(SO_SNDTIMEO), listener.status.sendTimeout, accepted.status.sendTimeout)
    }

    @inline(never)
    private static func inheritTimeout(
        _ accepted: SocketHandle, _ name: Int32, _ listeners: SharedWord64, _ own: SharedWord64
    ) {
        let nanoseconds = listeners.load()
        if nanoseconds == 0 { return }
        // Below a microsecond: see `setTimeout`.
        var time = timeval(tv_sec: -1, tv_usec: 0)
        if nanoseconds >= 1000 {
            time = timeval(
                tv_sec: Int(truncatingIfNeeded: nanoseconds / 1_000_000_000),
                tv_usec: Int(truncatingIfNeeded: nanoseconds % 1_000_000_000 / 1000))
        }
        let size = UInt32(MemoryLayout<timeval>.size)
        if Kernel.setOption(accepted.fd, Int32(SOL_SOCKET), name, &time, size) == 0 { own.store(nanoseconds) }
    }

    /// SO_RCVTIMEO and SO_SNDTIMEO bound the frontend's own waits; the first is the placeholder's too, since the kernel
    /// waits for its tokens.
    private static func setTimeout(_ handle: SocketHandle, _ name: Int32, _ value: UnsafeRawPointer?, _ length: UInt32)
        -> Int
    {
        guard let value else { return length < UInt32(MemoryLayout<timeval>.size) ? -Int(EINVAL) : -Int(EFAULT) }
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
            if argument & Int(O_ASYNC) != 0 { handle.status.set(StatusLine.Flag.edgeTriggered, true) }
        case F_DUPFD, Int32(F_DUPFD_CLOEXEC):
            duplicated(handle, to: Int32(result))
        default: break
        }
        return result
    }

    /// ioctl(2).
    public static func ioctl(_ handle: SocketHandle, request: UInt, _ argument: UnsafeMutableRawPointer?) -> Int {
        switch request {
        case UInt(FIONBIO):
            guard let argument, UserMemory.isAccessible(argument, 4, writing: false) else { return -Int(EFAULT) }
            let on = argument.loadUnaligned(as: Int32.self) != 0
            let result = Kernel.ioctl(handle.fd, request, argument)
            if result == 0 { handle.status.set(StatusLine.Flag.nonBlocking, on) }
            return result
        case UInt(FIOASYNC):
            let result = Kernel.ioctl(handle.fd, request, argument)
            // A signal for each arrival.
            if result == 0 { handle.status.set(StatusLine.Flag.edgeTriggered, true) }
            return result
        case 0x5450 /* FIONCLEX */, 0x5451 /* FIOCLEX */:
            return Kernel.ioctl(handle.fd, request, argument)
        // FIOSETOWN, SIOCSPGRP, FIOGETOWN, SIOCGPGRP.
        case 0x8901, 0x8902, 0x8903, 0x8904:
            return Kernel.ioctl(handle.fd, request, argument)
        // SIOCGSTAMP, SIOCGSTAMPNS: a stream has no time stamps.
        case 0x8906, 0x8907:
            return -Int(ENOENT)
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
            if let bytes = handle.socket.bytesToMark(), !handle.status.has(StatusLine.Flag.urgentInline) {
                // Up to the mark, as TCP counts.
                guard let argument, UserMemory.isAccessible(argument, 4, writing: true) else { return -Int(EFAULT) }
                argument.storeBytes(of: Int32(truncatingIfNeeded: bytes), as: Int32.self)
                return 0
            }
            return queued(handle, request, argument, ring: readable(handle))
        case UInt(TIOCOUTQ):
            let view = handle.isRelayed ? nil : try? handle.socket.output.view()
            return queued(handle, request, argument, ring: Int32(truncatingIfNeeded: view?.used ?? 0))
        case 0x894b /* SIOCOUTQNSD */ where !handle.isV1:
            let view = try? handle.socket.output.view()
            return queued(handle, request, argument, ring: Int32(truncatingIfNeeded: view?.used ?? 0))
        case 0x8905 /* SIOCATMARK */:
            guard let argument, UserMemory.isAccessible(argument, 4, writing: true) else { return -Int(EFAULT) }
            guard case .connected = handle.status.state else { return queued(handle, request, argument, ring: nil) }
            argument.storeBytes(of: handle.socket.bytesToMark() == 0 ? 1 : 0, as: Int32.self)
            return 0
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
        guard let argument, UserMemory.isAccessible(argument, 4, writing: true) else { return -Int(EFAULT) }
        let response = command(handle, .ioctl(id: handle.entry.id, request: UInt32(truncatingIfNeeded: request)))
        if response.ret != 0 { return Int(response.ret) }
        guard case .value(let value) = response.payload else { return -Int(EIO) }
        let bytes = max(0, Int(value) &+ Int(ring ?? 0))
        argument.storeBytes(of: Int32(truncatingIfNeeded: min(bytes, Int(Int32.max))), as: Int32.self)
        return 0
    }
}
