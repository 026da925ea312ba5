#if !hasFeature(Embedded)
    import CXenSockSystem
    import Glibc

    /// AF_UNIX sockets of this process whose far ends others hold, who may have queued descriptors in them.
    extension StrangeDescriptors {
        /// Closes a session's socket, in which anything may be queued. The far end sees the end at once. Does not wait.
        public static func end(_ socket: Int32) {
            guard socket >= 0 else { return }
            shutdown(socket, Int32(SHUT_RDWR))
            closeOwn(socket, of: peer(of: socket))
        }

        /// Closes a stream socket as close(2) does, but does not wait for descriptors that are queued in it.
        public static func closeStream(_ socket: Int32) {
            guard socket >= 0 else { return }
            // From now on nothing more is queued.
            shutdown(socket, Int32(SHUT_RD))
            guard mayCarryDescriptors(socket) else { return _ = Kernel.close(socket) }
            closeOwn(socket, of: peer(of: socket))
        }

        /// Receives from a stream, not blocking. Descriptors that come along are closed; when too many of their sender's wait
        /// for that, the stream is shut.
        ///
        /// - Returns: the bytes received or a negative errno.
        public static func receive(_ socket: Int32, _ vectors: UnsafeMutablePointer<iovec>, _ count: Int) -> Int {
            withUnsafeTemporaryAllocation(of: Int32.self, capacity: XS_MESSAGE_DESCRIPTORS) { descriptors in
                var (came, flags) = (Int32(0), Int32(0))
                let result = xs_receive_everything(
                    socket, vectors, Int32(truncatingIfNeeded: count), Int32(truncatingIfNeeded: Int(MSG_DONTWAIT)),
                    descriptors.baseAddress, &came, &flags)
                return came == 0 ? result : drop(descriptors[..<Int(came)], from: socket) ? result : -Int(ECONNRESET)
            }
        }

        /// - Returns: false if that are too many.
        @inline(never)
        private static func drop(_ descriptors: Slice<UnsafeMutableBufferPointer<Int32>>, from socket: Int32) -> Bool {
            let user = peer(of: socket)
            for descriptor in descriptors { close(descriptor, of: user) }
            guard isFull(user) else { return true }
            shutdown(socket, Int32(SHUT_RDWR))
            return false
        }

        /// Whether it is an AF_UNIX stream in which no descriptors are queued.
        static func isIdleStream(_ descriptor: Int32) -> Bool {
            Kernel.integerOption(descriptor, SOL_SOCKET, SO_DOMAIN) == Int(AF_UNIX)
                && Kernel.integerOption(descriptor, SOL_SOCKET, SO_TYPE) == 1 && !mayCarryDescriptors(descriptor)
        }

        /// Whether what is unread in a stream may hold descriptors.
        private static func mayCarryDescriptors(_ socket: Int32) -> Bool {
            var unread: Int32 = 0
            guard ioctl(socket, UInt(FIONREAD), &unread) == 0 else { return true }
            if unread == 0 { return false }
            // All that there can be mostly; a look ends at descriptors.
            return withUnsafeTemporaryAllocation(byteCount: 1024, alignment: 1) { scratch in
                withUnsafeTemporaryAllocation(of: iovec.self, capacity: 512) { vectors in
                    vectors.initialize(repeating: iovec(iov_base: scratch.baseAddress, iov_len: 1024))
                    var message = msghdr()
                    message.msg_iov = vectors.baseAddress
                    message.msg_iovlen = vectors.count
                    let seen = recvmsg(socket, &message, Int32(truncatingIfNeeded: Int(MSG_PEEK | MSG_DONTWAIT)))
                    let isCut = message.msg_flags & Int32(truncatingIfNeeded: Int(MSG_CTRUNC)) != 0
                    return seen != Int(unread) || isCut
                }
            }
        }

        /// The user of SO_PEERCRED.
        private static func peer(of socket: Int32) -> UInt32 {
            var value: (Int32, UInt32, UInt32) = (0, .max, 0)
            var length = socklen_t(12)
            return getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &value, &length) == 0 ? value.1 : .max
        }
    }
#endif
