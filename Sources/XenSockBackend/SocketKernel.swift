import XenSockRing

/// Up to four descriptors that came with, or go with, one session frame.
struct FrameDescriptors {
    var values: InlineArray<4, Int32> = InlineArray(repeating: -1)
    var count = 0
    /// More came along than there was room for, or than this process may have: those are lost.
    var isTruncated = false

    init() {}

    init(_ first: Int32, _ second: Int32) {
        values[0] = first
        values[1] = second
        count = 2
    }
}

/// What a poll on one descriptor shows now (POLLIN and so on).
struct PollEvents: OptionSet {
    var rawValue: Int16

    static let input = PollEvents(rawValue: 0x001)
    static let output = PollEvents(rawValue: 0x004)
    static let error = PollEvents(rawValue: 0x008)
    static let hangup = PollEvents(rawValue: 0x010)
    static let readHangup = PollEvents(rawValue: 0x2000)
}

/// Event bits of epoll(7), as they are used here.
enum EpollEvents {
    static let input: UInt32 = 0x001
    static let urgent: UInt32 = 0x002
    static let output: UInt32 = 0x004
    static let error: UInt32 = 0x008
    static let hangup: UInt32 = 0x010
    static let readHangup: UInt32 = 0x2000
    static let edge: UInt32 = 1 << 31
}

/// Every system call that the sockets of the service make. Results are the kernel's own: negative errno values for
/// errors, never the thread's errno. No call blocks and none is restarted: -EINTR comes through.
///
/// `LinuxKernel` makes the calls; tests script them.
protocol SocketKernel {
    // The real socket.
    func socket(domain: Int32, type: Int32, protocolNumber: Int32) -> Int32
    func connect(_ descriptor: Int32, _ address: UnsafeRawBufferPointer) -> Int32
    func bind(_ descriptor: Int32, _ address: UnsafeRawBufferPointer) -> Int32
    func listen(_ descriptor: Int32, backlog: Int32) -> Int32
    /// - Parameter address: room for 128 bytes; `length` becomes the address's length.
    func accept(_ descriptor: Int32, address: UnsafeMutableRawPointer, length: inout UInt32) -> Int32
    func receive(_ descriptor: Int32, into segments: Segments) -> Int
    /// With MSG_NOSIGNAL.
    func send(_ descriptor: Int32, from segments: Segments) -> Int
    /// Likewise, with MSG_MORE.
    func sendHeld(_ descriptor: Int32, from segments: Segments) -> Int
    func sendUrgent(_ descriptor: Int32, byte: UInt8) -> Int
    /// recvmsg(2).
    ///
    /// - Parameters:
    ///   - buffers: the room; then what was filled of it.
    ///   - flags: MSG_ERRQUEUE or 0; then the message's flags.
    func receiveMessage(
        _ descriptor: Int32, into segments: Segments, _ buffers: inout MessageBuffers, flags: inout Int32
    ) -> Int
    /// sendmsg(2), with MSG_NOSIGNAL.
    func sendMessage(_ descriptor: Int32, from segments: Segments, _ buffers: MessageBuffers, flags: Int32) -> Int
    /// Whether the end's acknowledgement is an event of the descriptor.
    func tellsOfAcknowledgements(_ descriptor: Int32) -> Bool
    /// Receives an urgent byte. Returns it, or a negative errno.
    func receiveUrgent(_ descriptor: Int32) -> Int
    func shutdown(_ descriptor: Int32, how: Int32) -> Int32
    /// Whether connections of that descriptor's kind can be shut down.
    func shutsDown(_ descriptor: Int32) -> Bool
    func close(_ descriptor: Int32)
    func getsockopt(
        _ descriptor: Int32, level: Int32, name: Int32, value: UnsafeMutableRawPointer, length: inout UInt32
    ) -> Int32
    func setsockopt(_ descriptor: Int32, level: Int32, name: Int32, value: UnsafeRawBufferPointer) -> Int32
    func getsockname(_ descriptor: Int32, address: UnsafeMutableRawPointer, length: inout UInt32) -> Int32
    func getpeername(_ descriptor: Int32, address: UnsafeMutableRawPointer, length: inout UInt32) -> Int32
    func ioctl(_ descriptor: Int32, request: UInt32, value: inout Int32) -> Int32
    /// Whether the real socket holds bytes that nobody has received.
    func hasUnread(_ descriptor: Int32) -> Bool
    /// The close that follows resets the connection.
    func prepareAbort(_ descriptor: Int32)
    /// Does not wait.
    func poll(_ descriptor: Int32, _ events: PollEvents) -> PollEvents

    // The service's end of the placeholder.
    /// close(2), which does not wait for what the program queued.
    func closePlaceholder(_ placeholder: Int32)
    /// Sends one byte.
    func sendToken(_ placeholder: Int32) -> Int
    /// Receives one filler of 256 bytes.
    func receiveFiller(_ placeholder: Int32) -> Int
    /// Receives all fillers that are there, at most `limit`.
    ///
    /// - Returns: how many, as far as this side knows.
    func receiveFillers(_ placeholder: Int32, limit: Int) -> Int

    /// Receives from a relayed socket's placeholder; never waits, whatever mode the frontend has set.
    func receiveRelayed(_ placeholder: Int32, into segments: Segments) -> Int
    /// Sends to a relayed socket's placeholder; never waits and raises no signal.
    func sendRelayed(_ placeholder: Int32, from segments: Segments) -> Int

    // Readiness, memory, time.
    func epollAdd(_ epoll: Int32, _ descriptor: Int32, events: UInt32, data: UInt64) -> Int32
    func epollModify(_ epoll: Int32, _ descriptor: Int32, events: UInt32, data: UInt64) -> Int32
    func epollDelete(_ epoll: Int32, _ descriptor: Int32)
    func unmap(_ address: UnsafeMutableRawPointer, size: Int)
    /// CLOCK_MONOTONIC in nanoseconds.
    func now() -> UInt64
}

extension SocketKernel {
    func shutsDown(_ descriptor: Int32) -> Bool { true }

    func hasUnread(_ descriptor: Int32) -> Bool { isInputQueued(descriptor) }

    func isInputQueued(_ descriptor: Int32) -> Bool {
        var queued: Int32 = 0
        return ioctl(descriptor, request: IoctlRequest.inputQueue, value: &queued) == 0 && queued > 0
    }

    func tellsOfAcknowledgements(_ descriptor: Int32) -> Bool { true }

    func closePlaceholder(_ placeholder: Int32) { close(placeholder) }

    func prepareAbort(_ descriptor: Int32) { resetOnClose(descriptor) }

    /// SO_LINGER of no time.
    func resetOnClose(_ descriptor: Int32) {
        let linger: (Int32, Int32) = (1, 0)
        _ = withUnsafeBytes(of: linger) {
            setsockopt(descriptor, level: OptionNumber.solSocket, name: OptionNumber.soLinger, value: $0)
        }
    }

    func receiveFillers(_ placeholder: Int32, limit: Int) -> Int {
        receiveFillersSingly(placeholder, limit: limit)
    }

    func receiveFillersSingly(_ placeholder: Int32, limit: Int) -> Int {
        var count = 0
        while count < limit, receiveFiller(placeholder) > 0 { count += 1 }
        return count
    }

    func receiveUrgent(_ descriptor: Int32) -> Int { Int(0 &- Errno.einval) }
}

extension SocketKernel {
    /// One that cannot hold bytes back sends them.
    func sendHeld(_ descriptor: Int32, from segments: Segments) -> Int { send(descriptor, from: segments) }
}
