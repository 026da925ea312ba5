import CXenSockSystem
import Glibc
import XenSockPlatform
import XenSockRing

/// The kernel. The only place of the service's data path that makes system calls.
struct LinuxKernel: SocketKernel {
    /// Performs the calls on network sockets instead, if there is one.
    var network: (any SocketNetwork)?
    /// The placeholders whose other ends are in guests.
    var placeholders: XenPlaceholders?

    /// The guest's port whose placeholder a number is; nil for a descriptor.
    @inline(__always)
    private func port(_ placeholder: Int32) -> XenPort? {
        placeholder >= XenPlaceholders.first ? placeholders?[placeholder] : nil
    }

    /// The network whose socket a descriptor is; nil for the kernel's own.
    @inline(__always)
    private func owner(_ descriptor: Int32) -> (any SocketNetwork)? {
        guard let network, network.owns(descriptor) else { return nil }
        return network
    }

    @inline(__always)
    private func call(_ number: Int32, _ a: Int, _ b: Int = 0, _ c: Int = 0, _ d: Int = 0, _ e: Int = 0, _ f: Int = 0)
        -> Int
    {
        xs_syscall(Int(number), a, b, c, d, e, f)
    }

    @inline(__always)
    private func address(_ pointer: UnsafeRawPointer?) -> Int { Int(bitPattern: pointer) }

    func socket(domain: Int32, type: Int32, protocolNumber: Int32) -> Int32 {
        if let network { return network.socket(domain: domain, type: type, protocolNumber: protocolNumber) }
        let flags = Int32(SOCK_NONBLOCK.rawValue | SOCK_CLOEXEC.rawValue)
        return Int32(truncatingIfNeeded: call(SYS_socket, Int(domain), Int(type | flags), Int(protocolNumber)))
    }

    /// fchown(2): whose socket it is for the kernel, which lets sockets of one user share a port with SO_REUSEPORT. An
    /// agent's sockets have no users.
    func give(_ descriptor: Int32, toUser user: UInt32) -> Int32 {
        if owner(descriptor) != nil { return 0 }
        return Int32(truncatingIfNeeded: call(SYS_fchown, Int(descriptor), Int(user), -1))
    }

    func connect(_ descriptor: Int32, _ address: UnsafeRawBufferPointer) -> Int32 {
        if let network = owner(descriptor) { return network.connect(descriptor, address) }
        return Int32(
            truncatingIfNeeded: call(SYS_connect, Int(descriptor), self.address(address.baseAddress), address.count))
    }

    func bind(_ descriptor: Int32, _ address: UnsafeRawBufferPointer) -> Int32 {
        if let network = owner(descriptor) { return network.bind(descriptor, address) }
        return Int32(
            truncatingIfNeeded: call(SYS_bind, Int(descriptor), self.address(address.baseAddress), address.count))
    }

    func listen(_ descriptor: Int32, backlog: Int32) -> Int32 {
        if let network = owner(descriptor) { return network.listen(descriptor, backlog: backlog) }
        return Int32(truncatingIfNeeded: call(SYS_listen, Int(descriptor), Int(backlog)))
    }

    func accept(_ descriptor: Int32, address: UnsafeMutableRawPointer, length: inout UInt32) -> Int32 {
        if let network { return network.accept(descriptor, address: address, length: &length) }
        let flags = Int(SOCK_NONBLOCK.rawValue | SOCK_CLOEXEC.rawValue)
        let pointer = self.address(address)
        return withUnsafeMutablePointer(to: &length) {
            Int32(truncatingIfNeeded: call(SYS_accept4, Int(descriptor), pointer, Int(bitPattern: $0), flags))
        }
    }

    @inline(__always)
    func receive(_ descriptor: Int32, into segments: Segments) -> Int {
        if let network { return network.receive(descriptor, into: segments) }
        return receiveRelayed(descriptor, into: segments)
    }

    @inline(__always)
    func send(_ descriptor: Int32, from segments: Segments) -> Int {
        if let network { return network.send(descriptor, from: segments) }
        return sendRelayed(descriptor, from: segments)
    }

    func sendHeld(_ descriptor: Int32, from segments: Segments) -> Int {
        if let network { return network.sendHeld(descriptor, from: segments) }
        return transmit(descriptor, segments, Int(MSG_MORE))
    }

    @inline(__always)
    func sendRelayed(_ descriptor: Int32, from segments: Segments) -> Int {
        transmit(descriptor, segments, 0)
    }

    @inline(__always)
    private func transmit(_ descriptor: Int32, _ segments: Segments, _ flags: Int) -> Int {
        let flags = flags | Int(MSG_NOSIGNAL | MSG_DONTWAIT)
        if segments.second.isEmpty {
            let first = segments.first
            return call(SYS_sendto, Int(descriptor), address(first.baseAddress), first.count, flags)
        }
        var vectors = Self.vectors(segments)
        return withUnsafeMutableBytes(of: &vectors) { bytes in
            var message = msghdr()
            message.msg_iov = bytes.baseAddress?.assumingMemoryBound(to: iovec.self)
            message.msg_iovlen = 2
            return withUnsafeBytes(of: &message) {
                call(SYS_sendmsg, Int(descriptor), address($0.baseAddress), flags)
            }
        }
    }

    @inline(__always)
    private static func vectors(_ segments: Segments) -> (iovec, iovec) {
        (
            iovec(iov_base: segments.first.baseAddress, iov_len: segments.first.count),
            iovec(iov_base: segments.second.baseAddress, iov_len: segments.second.count)
        )
    }

    func sendUrgent(_ descriptor: Int32, byte: UInt8) -> Int {
        if let network = owner(descriptor) { return network.sendUrgent(descriptor, byte: byte) }
        if let port = port(descriptor) { return port.sendUrgent() }
        let flags = Int(MSG_NOSIGNAL | MSG_DONTWAIT | MSG_OOB)
        return withUnsafeBytes(of: byte) { call(SYS_sendto, Int(descriptor), address($0.baseAddress), 1, flags) }
    }

    func tellsOfAcknowledgements(_ descriptor: Int32) -> Bool { owner(descriptor) == nil }

    func receiveUrgent(_ descriptor: Int32) -> Int {
        if let network = owner(descriptor) { return network.receiveUrgent(descriptor) }
        var byte: UInt8 = 0
        let result = withUnsafeMutablePointer(to: &byte) {
            call(SYS_recvfrom, Int(descriptor), Int(bitPattern: $0), 1, Int(MSG_OOB | MSG_DONTWAIT))
        }
        return result == 1 ? Int(byte) : result == 0 ? Int(0 &- Errno.eagain) : result
    }

    func shutdown(_ descriptor: Int32, how: Int32) -> Int32 {
        if let network = owner(descriptor) { return network.shutdown(descriptor, how: how) }
        if let port = port(descriptor) {
            port.shutdown(how: how)
            return 0
        }
        return Int32(truncatingIfNeeded: call(SYS_shutdown, Int(descriptor), Int(how)))
    }

    func shutsDown(_ descriptor: Int32) -> Bool { owner(descriptor)?.shutsDown ?? true }

    func close(_ descriptor: Int32) {
        if let network = owner(descriptor) { return network.close(descriptor) }
        if descriptor >= XenPlaceholders.first, let placeholders { return placeholders.close(descriptor) }
        _ = call(SYS_close, Int(descriptor))
    }

    func closePlaceholder(_ placeholder: Int32) {
        if placeholder >= XenPlaceholders.first { return close(placeholder) }
        StrangeDescriptors.closeStream(placeholder)
    }

    func getsockopt(
        _ descriptor: Int32, level: Int32, name: Int32, value: UnsafeMutableRawPointer, length: inout UInt32
    ) -> Int32 {
        if let network = owner(descriptor) {
            return network.getsockopt(descriptor, level: level, name: name, value: value, length: &length)
        }
        let pointer = address(value)
        return withUnsafeMutablePointer(to: &length) {
            Int32(
                truncatingIfNeeded: call(
                    SYS_getsockopt, Int(descriptor), Int(level), Int(name), pointer, Int(bitPattern: $0)))
        }
    }

    func setsockopt(_ descriptor: Int32, level: Int32, name: Int32, value: UnsafeRawBufferPointer) -> Int32 {
        if let network = owner(descriptor) {
            return network.setsockopt(descriptor, level: level, name: name, value: value)
        }
        return Int32(
            truncatingIfNeeded: call(
                SYS_setsockopt, Int(descriptor), Int(level), Int(name), address(value.baseAddress), value.count))
    }

    func getsockname(_ descriptor: Int32, address: UnsafeMutableRawPointer, length: inout UInt32) -> Int32 {
        if let network = owner(descriptor) {
            return network.getsockname(descriptor, address: address, length: &length)
        }
        return name(SYS_getsockname, descriptor, address, &length)
    }

    func getpeername(_ descriptor: Int32, address: UnsafeMutableRawPointer, length: inout UInt32) -> Int32 {
        if let network = owner(descriptor) {
            return network.getpeername(descriptor, address: address, length: &length)
        }
        return name(SYS_getpeername, descriptor, address, &length)
    }

    private func name(_ number: Int32, _ descriptor: Int32, _ buffer: UnsafeMutableRawPointer, _ length: inout UInt32)
        -> Int32
    {
        let pointer = address(buffer)
        return withUnsafeMutablePointer(to: &length) {
            Int32(truncatingIfNeeded: call(number, Int(descriptor), pointer, Int(bitPattern: $0)))
        }
    }

    func ioctl(_ descriptor: Int32, request: UInt32, value: inout Int32) -> Int32 {
        if let network = owner(descriptor) { return network.ioctl(descriptor, request: request, value: &value) }
        return withUnsafeMutablePointer(to: &value) {
            Int32(truncatingIfNeeded: call(SYS_ioctl, Int(descriptor), Int(request), Int(bitPattern: $0)))
        }
    }

    func poll(_ descriptor: Int32, _ events: PollEvents) -> PollEvents {
        if let network = owner(descriptor) {
            return PollEvents(rawValue: network.poll(descriptor, events: events.rawValue))
        }
        if let port = port(descriptor) {
            if port.isHungUp { return [.error, .hangup] }
            return events.contains(.input) && port.hasFiller ? .input : []
        }
        var entry = pollfd(fd: descriptor, events: events.rawValue, revents: 0)
        var timeout = timespec(tv_sec: 0, tv_nsec: 0)
        let count = withUnsafeMutablePointer(to: &entry) { entry in
            withUnsafeMutablePointer(to: &timeout) {
                call(SYS_ppoll, Int(bitPattern: entry), 1, Int(bitPattern: $0), 0, 8)
            }
        }
        return count > 0 ? PollEvents(rawValue: entry.revents) : []
    }

    func hasUnread(_ descriptor: Int32) -> Bool {
        if let network = owner(descriptor) { return network.hasUnread(descriptor) }
        return isInputQueued(descriptor)
    }

    func prepareAbort(_ descriptor: Int32) {
        if let network = owner(descriptor) { return network.prepareAbort(descriptor) }
        resetOnClose(descriptor)
    }

    /// What epoll reported of a network socket, with what its descriptor cannot show.
    func completed(_ descriptor: Int32, events: UInt32) -> UInt32 {
        network?.completed(descriptor, events: events) ?? events
    }

    func sendToken(_ placeholder: Int32) -> Int {
        if let port = port(placeholder) { return port.sendToken() }
        let flags = Int(MSG_NOSIGNAL | MSG_DONTWAIT)
        let byte: UInt8 = 1
        return withUnsafeBytes(of: byte) { call(SYS_sendto, Int(placeholder), address($0.baseAddress), 1, flags) }
    }

    func receiveFiller(_ placeholder: Int32) -> Int {
        if let port = port(placeholder) { return port.receiveFiller() }
        return withUnsafeTemporaryAllocation(byteCount: 256, alignment: 8) { buffer in
            var vector = iovec(iov_base: buffer.baseAddress, iov_len: 256)
            return StrangeDescriptors.receive(placeholder, &vector, 1)
        }
    }

    func receiveFillers(_ placeholder: Int32, limit: Int) -> Int {
        guard let port = port(placeholder) else { return receiveFillersSingly(placeholder, limit: limit) }
        port.purgeFillers()
        return 0
    }

    func receiveRelayed(_ placeholder: Int32, into segments: Segments) -> Int {
        withUnsafeTemporaryAllocation(of: iovec.self, capacity: 2) { vectors in
            (vectors[0], vectors[1]) = Self.vectors(segments)
            guard let base = vectors.baseAddress else { return Int(0 &- Errno.eagain) }
            return StrangeDescriptors.receive(placeholder, base, segments.second.isEmpty ? 1 : 2)
        }
    }

    // A guest's placeholder is watched by its session's doorbell.

    func epollAdd(_ epoll: Int32, _ descriptor: Int32, events: UInt32, data: UInt64) -> Int32 {
        if port(descriptor) != nil { return 0 }
        return control(epoll, EPOLL_CTL_ADD, descriptor, events, data)
    }

    func epollModify(_ epoll: Int32, _ descriptor: Int32, events: UInt32, data: UInt64) -> Int32 {
        if let port = port(descriptor) {
            port.watchFillers(events & EpollEvents.input != 0)
            return 0
        }
        return control(epoll, EPOLL_CTL_MOD, descriptor, events, data)
    }

    func epollDelete(_ epoll: Int32, _ descriptor: Int32) {
        if port(descriptor) == nil { _ = control(epoll, EPOLL_CTL_DEL, descriptor, 0, 0) }
    }

    private func control(_ epoll: Int32, _ operation: Int32, _ descriptor: Int32, _ events: UInt32, _ data: UInt64)
        -> Int32
    {
        var event = epoll_event(events: events, data: epoll_data(u64: data))
        return withUnsafeMutablePointer(to: &event) {
            Int32(
                truncatingIfNeeded: call(
                    SYS_epoll_ctl, Int(epoll), Int(operation), Int(descriptor), Int(bitPattern: $0)))
        }
    }

    /// Maps `size` bytes of a file, shared.
    func map(_ descriptor: Int32, offset: Int, size: Int) -> UnsafeMutableRawPointer? {
        let (protection, flags) = (Int(PROT_READ | PROT_WRITE), Int(MAP_SHARED | MAP_NORESERVE))
        return pointer(call(SYS_mmap, 0, size, protection, flags, Int(descriptor), offset))
    }

    private func pointer(_ result: Int) -> UnsafeMutableRawPointer? {
        result < 0 && result >= -4095 ? nil : UnsafeMutableRawPointer(bitPattern: result)
    }

    func unmap(_ address: UnsafeMutableRawPointer, size: Int) { _ = call(SYS_munmap, self.address(address), size) }

    func now() -> UInt64 {
        var time = timespec()
        clock_gettime(CLOCK_MONOTONIC, &time)
        return UInt64(truncatingIfNeeded: time.tv_sec) &* 1_000_000_000 &+ UInt64(truncatingIfNeeded: time.tv_nsec)
    }
}
