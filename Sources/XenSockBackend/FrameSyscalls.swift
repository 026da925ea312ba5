import CXenSockSystem
import XenSockPlatform
import XenSockWire

/// Session frames on a SOCK_SEQPACKET socket, with descriptors by SCM_RIGHTS (docs/PROTOCOL.md, 3.1).
extension LinuxKernel {
    /// Receives one frame, not blocking.
    ///
    /// - Parameters:
    ///   - user: who sends there, to wait for the close of what no frame carries.
    ///   - buffer: private memory of `SessionFrame.maximumSize` bytes.
    ///   - descriptors: what came along, close-on-exec; the caller owns them, whatever is returned.
    /// - Returns: the frame's size; 0 at the hang-up; a negative errno; -EMSGSIZE for a frame beyond the protocol's.
    func receiveFrame(
        _ session: Int32, of user: UInt32, into buffer: UnsafeMutableRawBufferPointer,
        descriptors: inout FrameDescriptors
    ) -> Int {
        var vector = iovec(iov_base: buffer.baseAddress, iov_len: buffer.count)
        var flags: Int32 = 0
        var count: Int32 = 0
        let result = withUnsafeTemporaryAllocation(of: Int32.self, capacity: XS_MESSAGE_DESCRIPTORS) {
            let result = xs_receive_everything(
                session, &vector, 1, Int32(truncatingIfNeeded: Int(MSG_DONTWAIT)), $0.baseAddress, &count, &flags)
            descriptors.count = min(4, Int(count))
            for index in 0..<descriptors.count { descriptors.values[index] = $0[index] }
            for index in descriptors.count..<Int(count) { StrangeDescriptors.close($0[index], of: user) }
            return result
        }
        guard result >= 0 else { return result }
        descriptors.isTruncated = count > 4 || flags & Int32(truncatingIfNeeded: Int(MSG_CTRUNC)) != 0
        return flags & Int32(truncatingIfNeeded: Int(MSG_TRUNC)) != 0 ? Int(0 &- EMSGSIZE) : result
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
