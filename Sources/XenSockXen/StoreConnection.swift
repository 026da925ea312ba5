import CXenSockXen
import Glibc

/// Requests to xenstored and its answers (xen/io/xs_wire.h): over its socket in the control domain, over the kernel's
/// /dev/xen/xenbus elsewhere.
///
/// libxenstore is not used: as a static library it has no thread that reads, and without one a watch's event that comes
/// before an answer makes the call fail with EINVAL.
final class StoreConnection {
    private static let socketPath = "/run/xenstored/socket"
    private static let devicePath = "/dev/xen/xenbus"

    private struct Event: Equatable {
        let path: String
        let token: String
    }

    private let connection: Int32
    /// Else the device.
    private let isSocket: Bool
    private let epoll: Int32
    /// For events that came while an answer was awaited.
    private let signal = Signal()
    private var isLost = false
    private var input: [UInt8] = []
    private var events: [Event] = []

    /// Which tokens' events are wanted; others are of watches that have ended.
    var isWanted: (_ token: String) -> Bool = { _ in true }

    /// Readable when there is an event, or an answer.
    var descriptor: Int32 { epoll }

    convenience init() throws(XenError) {
        let (connection, isSocket) = try Self.open()
        try self.init(connection, isSocket: isSocket)
    }

    /// - Parameter connection: closed with this object, also if it fails.
    init(_ connection: Int32, isSocket: Bool) throws(XenError) {
        self.connection = connection
        self.isSocket = isSocket
        epoll = epoll_create1(Int32(EPOLL_CLOEXEC))
        guard epoll >= 0 else {
            let errno = Glibc.errno
            close(connection)
            throw XenError(.openStore, errno: errno)
        }
        _ = fcntl(connection, F_SETFL, fcntl(connection, F_GETFL) | O_NONBLOCK)
        for descriptor in [connection, signal.descriptor] {
            var event = epoll_event(events: EPOLLIN.rawValue, data: epoll_data())
            epoll_ctl(epoll, EPOLL_CTL_ADD, descriptor, &event)
        }
    }

    deinit {
        close(epoll)
        close(connection)
    }

    private static func open() throws(XenError) -> (Int32, isSocket: Bool) {
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: socketPath.utf8) }
        let socket = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
        guard socket >= 0 else { throw XenError(.openStore, errno: Glibc.errno) }
        let result = withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                connect(socket, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
            }
        }
        if result == 0 { return (socket, true) }
        let refused = Glibc.errno
        close(socket)
        let device = Glibc.open(devicePath, O_RDWR | O_CLOEXEC)
        guard device >= 0 else { throw XenError(.openStore, errno: refused == ENOENT ? Glibc.errno : refused) }
        return (device, false)
    }

    // MARK: Requests

    /// Sends a request and waits for its answer.
    ///
    /// - Parameters:
    ///   - strings: each is followed by a NUL.
    ///   - value: follows them as it is.
    ///   - transaction: 0 for none.
    func request(
        _ call: XenCall, _ type: xsd_sockmsg_type, _ strings: [String], value: String = "", transaction: UInt32 = 0
    ) throws(XenError) -> [UInt8] {
        let subject = strings.first ?? ""
        var payload: [UInt8] = []
        for string in strings {
            guard !string.utf8.contains(0) else { throw XenError(call, errno: EINVAL, subject: "path with NUL") }
            payload += string.utf8
            payload.append(0)
        }
        payload += value.utf8
        guard payload.count <= XenStoreLimits.request else { throw XenError(call, errno: E2BIG, subject: subject) }
        let header = xsd_sockmsg(type: type.rawValue, req_id: 0, tx_id: transaction, len: UInt32(payload.count))
        var errno = send(withUnsafeBytes(of: header) { Array($0) } + payload)
        guard errno == 0 else { throw XenError(call, errno: errno, subject: subject) }
        // What came behind the answer is not readable on the connection any more.
        defer { noteEvents() }
        // One request at a time: whatever is no event is its answer.
        while true {
            if let (answer, content) = takeMessage() {
                if answer == XS_WATCH_EVENT.rawValue {
                    note(content)
                } else if answer == XS_ERROR.rawValue {
                    let name = String(decoding: content.prefix { $0 != 0 }, as: UTF8.self)
                    throw XenError(call, errno: cxen_store_errno(name), subject: subject)
                } else {
                    return content
                }
            } else {
                errno = receive(waiting: true)
                guard errno == 0 else { throw XenError(call, errno: errno, subject: subject) }
            }
        }
    }

    private func send(_ message: [UInt8]) -> Int32 {
        var sent = 0
        while sent < message.count {
            guard !isLost else { return ENOTCONN }
            let count = message.withUnsafeBytes { bytes in
                isSocket
                    ? Glibc.send(connection, bytes.baseAddress! + sent, bytes.count - sent, Int32(MSG_NOSIGNAL))
                    : Glibc.write(connection, bytes.baseAddress! + sent, bytes.count - sent)
            }
            if count >= 0 {
                sent += count
            } else if Glibc.errno == EAGAIN {
                wait(for: POLLOUT)
            } else if Glibc.errno != EINTR {
                return Glibc.errno
            }
        }
        return 0
    }

    /// Reads what is there. 0, or an error number; EAGAIN only without `waiting`.
    private func receive(waiting: Bool) -> Int32 {
        guard !isLost else { return ENOTCONN }
        let room = 16384
        while true {
            let count = withUnsafeTemporaryAllocation(byteCount: room, alignment: 16) { buffer in
                let count = Glibc.read(connection, buffer.baseAddress!, room)
                if count > 0 { input += buffer[..<count] }
                return count
            }
            if count > 0 { return 0 }
            if count == 0 {
                // xenstored has gone. Nothing comes any more: an epoll loop is not to be told so for ever.
                isLost = true
                epoll_ctl(epoll, EPOLL_CTL_DEL, connection, nil)
                return ENOTCONN
            }
            switch Glibc.errno {
            case EINTR: continue
            case EAGAIN where waiting: wait(for: POLLIN)
            default: return Glibc.errno
            }
        }
    }

    private func wait(for events: Int32) {
        var entry = pollfd(fd: connection, events: Int16(events), revents: 0)
        poll(&entry, 1, -1)
    }

    /// The first whole message that was read, and its type.
    private func takeMessage() -> (type: UInt32, content: [UInt8])? {
        let size = MemoryLayout<xsd_sockmsg>.size
        guard input.count >= size else { return nil }
        let header = input.withUnsafeBytes { $0.loadUnaligned(as: xsd_sockmsg.self) }
        let end = size + Int(header.len)
        guard input.count >= end else { return nil }
        let content = Array(input[size..<end])
        input.removeFirst(end)
        return (header.type, content)
    }

    // MARK: Events

    func nextEvent() -> (path: String, token: String)? {
        // No further than to the first: whoever writes all the time is not to keep us here.
        while events.isEmpty, receive(waiting: false) == 0 { noteEvents() }
        defer { signal.set(!events.isEmpty) }
        guard let event = events.first else { return nil }
        events.removeFirst()
        return (event.path, event.token)
    }

    /// Takes all whole messages that were read; none is an answer, as nothing was asked.
    private func noteEvents() {
        while let (type, content) = takeMessage() { if type == XS_WATCH_EVENT.rawValue { note(content) } }
    }

    /// Forgets events that are not wanted any more.
    func dropUnwanted() {
        events.removeAll { !isWanted($0.token) }
        signal.set(!events.isEmpty)
    }

    private func note(_ content: [UInt8]) {
        let parts = content.split(separator: 0, maxSplits: 2, omittingEmptySubsequences: false)
        guard parts.count >= 2 else { return }
        let event = Event(
            path: String(decoding: parts[0], as: UTF8.self), token: String(decoding: parts[1], as: UTF8.self))
        // One that waits already says all: a guest may write faster than we look.
        guard isWanted(event.token), !events.contains(event) else { return }
        events.append(event)
        signal.set(true)
    }
}
