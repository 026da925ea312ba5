import CXenSockSystem
import XenSockWire

/// Session frames on a SOCK_SEQPACKET socket, with descriptors by SCM_RIGHTS (docs/PROTOCOL.md, 3.1).
extension LinuxKernel {
    /// Receives one frame, not blocking.
    ///
    /// - Parameters:
    ///   - buffer: private memory of `SessionFrame.maximumSize` bytes.
    ///   - descriptors: what came along, close-on-exec; the caller owns them, whatever is returned.
    /// - Returns: the frame's size; 0 at the hang-up; a negative errno; -EMSGSIZE for a frame beyond the protocol's.
    func receiveFrame(
        _ session: Int32, into buffer: UnsafeMutableRawBufferPointer, descriptors: inout FrameDescriptors
    ) -> Int {
        var vector = iovec(iov_base: buffer.baseAddress, iov_len: buffer.count)
        // Room for four descriptors: CMSG_SPACE(16).
        var control: (UInt64, UInt64, UInt64, UInt64) = (0, 0, 0, 0)
        var message = msghdr()
        let result = withUnsafeMutablePointer(to: &vector) { vector in
            withUnsafeMutableBytes(of: &control) { control in
                message.msg_iov = vector
                message.msg_iovlen = 1
                message.msg_control = control.baseAddress
                message.msg_controllen = control.count
                let flags = Int(MSG_DONTWAIT) | Int(MSG_CMSG_CLOEXEC)
                return withUnsafeMutablePointer(to: &message) {
                    xs_syscall(Int(SYS_recvmsg), Int(session), Int(bitPattern: $0), flags, 0, 0, 0)
                }
            }
        }
        guard result >= 0 else { return result }
        withUnsafeBytes(of: control) { control in
            // One control message: length u64, level i32, type i32, then the descriptors.
            let length = Int(truncatingIfNeeded: control.load(as: UInt64.self))
            guard message.msg_controllen >= 16, length > 16, length <= control.count,
                control.load(fromByteOffset: 8, as: Int32.self) == SOL_SOCKET,
                control.load(fromByteOffset: 12, as: Int32.self) == 1
            else { return }
            let count = min(4, (length - 16) / 4)
            for index in 0..<count {
                descriptors.values[index] = control.load(fromByteOffset: 16 + index * 4, as: Int32.self)
            }
            descriptors.count = count
        }
        descriptors.isTruncated = message.msg_flags & Int32(truncatingIfNeeded: Int(MSG_CTRUNC)) != 0
        return message.msg_flags & Int32(truncatingIfNeeded: Int(MSG_TRUNC)) != 0 ? Int(0 &- EMSGSIZE) : result
    }

    /// Sends one frame, not blocking. The descriptors stay the caller's.
    ///
    /// - Returns: the frame's size or a negative errno.
    func sendFrame(_ session: Int32, _ frame: UnsafeRawBufferPointer, descriptors: FrameDescriptors) -> Int {
        var vector = iovec(
            iov_base: UnsafeMutableRawPointer(mutating: frame.baseAddress), iov_len: frame.count)
        var control: (UInt64, UInt64, UInt64) = (16 + UInt64(descriptors.count) * 4, 0, 0)
        var message = msghdr()
        return withUnsafeMutablePointer(to: &vector) { vector in
            withUnsafeMutableBytes(of: &control) { control in
                message.msg_iov = vector
                message.msg_iovlen = 1
                if descriptors.count > 0 {
                    control.storeBytes(of: SOL_SOCKET, toByteOffset: 8, as: Int32.self)
                    control.storeBytes(of: 1, toByteOffset: 12, as: Int32.self)
                    for index in 0..<min(2, descriptors.count) {
                        control.storeBytes(
                            of: descriptors.values[index], toByteOffset: 16 + index * 4, as: Int32.self)
                    }
                    message.msg_control = control.baseAddress
                    message.msg_controllen = 24
                }
                let flags = Int(MSG_NOSIGNAL) | Int(MSG_DONTWAIT)
                return withUnsafeMutablePointer(to: &message) {
                    xs_syscall(Int(SYS_sendmsg), Int(session), Int(bitPattern: $0), flags, 0, 0, 0)
                }
            }
        }
    }
}
