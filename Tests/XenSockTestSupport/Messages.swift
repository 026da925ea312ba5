import Glibc

/// Sends bytes with any number of descriptors. Returns the bytes sent, or -1.
public func sendMessage(_ socket: Int32, _ bytes: [UInt8], _ descriptors: [Int32]) -> Int {
    var bytes = bytes
    var control = [0, 0, SOL_SOCKET, 1 /* SCM_RIGHTS */] + descriptors
    let length = control.count * 4
    control[0] = Int32(length)
    return bytes.withUnsafeMutableBytes { bytes in
        control.withUnsafeMutableBytes { control in
            var vector = iovec(iov_base: bytes.baseAddress, iov_len: bytes.count)
            return withUnsafeMutablePointer(to: &vector) {
                var message = msghdr()
                (message.msg_iov, message.msg_iovlen) = ($0, 1)
                (message.msg_control, message.msg_controllen) = (control.baseAddress, length)
                return sendmsg(socket, &message, 0)
            }
        }
    }
}
