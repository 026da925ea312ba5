import CXenSockSystem
import XenSockPlatform
import XenSockRing
import XenSockWire

/// Ancillary data of sendmsg(2) and recvmsg(2) on a stream, as TCP treats it.
extension Frontend {
    /// Bit of the status line's flags: TCP_INQ is on.
    static var tellsUnread: UInt32 { 1 << 20 }

    /// What TCP says of control messages before it looks at the data.
    ///
    /// - Parameter control: `msg_control` and `msg_controllen`.
    /// - Returns: 0 or a negative errno.
    public static func controlRefusal(_ handle: SocketHandle, _ control: UnsafeRawBufferPointer) -> Int {
        guard control.count > 0, case .connected = handle.status.state,
            handle.status.word(StatusLine.kind).load() & 0xffff == UInt32(SOCK_STREAM.rawValue)
        else { return 0 }
        let header = MemoryLayout<cmsghdr>.size
        var offset = 0
        while offset <= control.count &- header {
            let object = control.loadUnaligned(fromByteOffset: offset, as: cmsghdr.self)
            let length = Int(bitPattern: UInt(object.cmsg_len))
            guard length >= header, length <= control.count &- offset else { return -Int(EINVAL) }
            if object.cmsg_level == SOL_SOCKET, handle.isUnix {
                // SCM_RIGHTS and SCM_CREDENTIALS, which cannot cross; the rest is unknown to AF_UNIX.
                guard object.cmsg_type == 1 || object.cmsg_type == 2 else { return -Int(EINVAL) }
                Report.noAncillaryData()
                return -Int(EOPNOTSUPP)
            }
            if object.cmsg_level == SOL_SOCKET, !isAccepted(object.cmsg_type, control, offset &+ header, length) {
                return -Int(EINVAL)
            }
            offset &+= (length &+ 7) & ~7
        }
        return 0
    }

    /// SCM_RIGHTS and SCM_CREDENTIALS mean nothing to TCP. A request for time stamps could not be fulfilled, an empty one
    /// is.
    private static func isAccepted(
        _ type: Int32, _ control: UnsafeRawBufferPointer, _ data: Int, _ length: Int
    ) -> Bool {
        switch type {
        case 1, 2: true
        case 37 /* SO_TIMESTAMPING */:
            length == MemoryLayout<cmsghdr>.size &+ 4
                && control.loadUnaligned(fromByteOffset: data, as: UInt32.self) == 0
        default: false
        }
    }

    /// Stores in the message of a recvmsg(2) that succeeded what does not come with the data.
    ///
    /// - Parameter flags: those of the call.
    static func complete(_ handle: SocketHandle, _ message: UnsafeMutablePointer<msghdr>, flags: Int32) {
        if message.pointee.msg_name != nil { message.pointee.msg_namelen = 0 }
        message.pointee.msg_flags = flags & 0x4000_0000  // MSG_CMSG_CLOEXEC
        let room = message.pointee.msg_controllen
        message.pointee.msg_controllen = 0
        guard handle.status.has(tellsUnread), !handle.isV1 else { return }
        var unread = unread(handle)
        withUnsafeBytes(of: &unread) { put(message, room: Int(room), level: Int32(IPPROTO_TCP), type: 36, $0) }
    }

    /// What TCP_INQ tells: the bytes that can be read at once, or 1 where only the end of the stream can. Of what waits
    /// behind the ring only a reader that emptied the ring hears.
    private static func unread(_ handle: SocketHandle) -> Int32 {
        var count: Int32 = 0
        if let view = try? handle.socket.input.view(), view.count > 0 {
            return Int32(truncatingIfNeeded: view.count)
        }
        _ = withUnsafeMutablePointer(to: &count) { ioctl(handle, request: UInt(FIONREAD), $0) }
        if count > 0 { return count }
        return handle.socket.input.producerValue().has(InProducer.endOfFile) ? 1 : 0
    }

    /// The kernel's put_cmsg: what has no room is cut off, and MSG_CTRUNC says so.
    private static func put(
        _ message: UnsafeMutablePointer<msghdr>, room: Int, level: Int32, type: Int32, _ data: UnsafeRawBufferPointer
    ) {
        let header = MemoryLayout<cmsghdr>.size
        guard let control = message.pointee.msg_control, room >= header else {
            message.pointee.msg_flags |= Int32(MSG_CTRUNC)
            return
        }
        var length = header &+ data.count
        if room < length {
            message.pointee.msg_flags |= Int32(MSG_CTRUNC)
            length = room
        }
        var object = cmsghdr()
        object.cmsg_len = numericCast(length)
        object.cmsg_level = level
        object.cmsg_type = type
        withUnsafeBytes(of: &object) { _ = memcpy(control, $0.baseAddress!, header) }
        memcpy(control + header, data.baseAddress!, length &- header)
        message.pointee.msg_controllen = numericCast(min(room, (length &+ 7) & ~7))
    }

    /// An error behind the first message of recvmmsg(2) is what the next call reports.
    public static func keepError(_ handle: SocketHandle, _ error: Int) {
        if error == -Int(EAGAIN) || error == -Int(EINTR) { return }
        if handle.isDatagram { return postpone(handle, error: Int32(truncatingIfNeeded: 0 &- error)) }
        handle.status.word(StatusLine.error).store(UInt32(truncatingIfNeeded: 0 &- error))
    }

    /// Takes the pending error, as SO_ERROR does: a negative errno or 0.
    public static func pendingError(_ handle: SocketHandle) -> Int {
        var error: Int32 = 0
        var size = socklen_t(4)
        let result = getOption(handle, level: SOL_SOCKET, name: Int32(SO_ERROR), &error, &size)
        return result < 0 ? result : 0 &- Int(error)
    }
}
