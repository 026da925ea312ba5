import CXenSockSystem
import Glibc
import XenSockRing

/// One message with its address and control messages.
struct MessageBuffers {
    /// Room for, or bytes of, a socket address.
    var address: UnsafeMutableRawBufferPointer
    /// Room for, or bytes of, control messages; aligned to 8.
    var control: UnsafeMutableRawBufferPointer
}

extension LinuxKernel {
    func receiveMessage(
        _ descriptor: Int32, into segments: Segments, _ buffers: inout MessageBuffers, flags: inout Int32
    ) -> Int {
        var message = Self.header(buffers)
        let asked = Int(flags | Int32(MSG_DONTWAIT))
        let result = Self.withVectors(segments) { vectors in
            message.msg_iov = vectors
            message.msg_iovlen = segments.second.isEmpty ? 1 : 2
            return withUnsafeMutablePointer(to: &message) {
                if let network { return network.receiveMessage(descriptor, $0, flags: Int32(asked)) }
                return xs_syscall(Int(SYS_recvmsg), Int(descriptor), Int(bitPattern: $0), asked, 0, 0, 0)
            }
        }
        guard result >= 0 else { return result }
        flags = message.msg_flags
        // The kernel reports an address's whole length, which may be more than there was room for.
        let length = min(Int(message.msg_namelen), buffers.address.count)
        buffers.address = UnsafeMutableRawBufferPointer(rebasing: buffers.address[0..<length])
        let control = min(message.msg_controllen, buffers.control.count)
        buffers.control = UnsafeMutableRawBufferPointer(rebasing: buffers.control[0..<control])
        return result
    }

    func sendMessage(_ descriptor: Int32, from segments: Segments, _ buffers: MessageBuffers, flags: Int32) -> Int {
        var message = Self.header(buffers)
        return Self.withVectors(segments) { vectors in
            message.msg_iov = vectors
            message.msg_iovlen = segments.second.isEmpty ? 1 : 2
            return withUnsafeMutablePointer(to: &message) {
                if let network { return network.sendMessage(descriptor, $0, flags: flags) }
                return xs_syscall(
                    Int(SYS_sendmsg), Int(descriptor), Int(bitPattern: $0),
                    Int(flags | Int32(MSG_DONTWAIT) | Int32(MSG_NOSIGNAL)), 0, 0, 0)
            }
        }
    }

    private static func header(_ buffers: MessageBuffers) -> msghdr {
        var message = msghdr()
        if !buffers.address.isEmpty {
            message.msg_name = buffers.address.baseAddress
            message.msg_namelen = socklen_t(buffers.address.count)
        }
        if !buffers.control.isEmpty {
            message.msg_control = buffers.control.baseAddress
            message.msg_controllen = buffers.control.count
        }
        return message
    }

    private static func withVectors(_ segments: Segments, _ body: (UnsafeMutablePointer<iovec>) -> Int) -> Int {
        var vectors = (
            iovec(iov_base: segments.first.baseAddress, iov_len: segments.first.count),
            iovec(iov_base: segments.second.baseAddress, iov_len: segments.second.count)
        )
        return withUnsafeMutableBytes(of: &vectors) { bytes in
            guard let base = bytes.baseAddress else { return Int(-EINVAL) }
            return body(base.assumingMemoryBound(to: iovec.self))
        }
    }
}
