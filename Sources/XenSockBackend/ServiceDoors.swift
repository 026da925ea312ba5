import CXenSockSystem
import Glibc
import XenSockPlatform
import XenSockWire

/// Doors that belong to no living session (docs/PROTOCOL.md, 3.1, DOOR): the socket of a session whose process ended while
/// its children still hold it, and the socket that a private service was started with. They take DOOR frames and
/// nothing else, until their last holder is gone.
extension Service {
    /// Serves DOOR frames that come from `descriptor`, whose holders have the rights of the service's own user.
    ///
    /// - Parameters:
    ///   - descriptor: an end of a SOCK_SEQPACKET pair. Taken over.
    ///   - whenClosed: called when the last copy of the other end is closed.
    /// - Throws: `ServiceError`; the descriptor stays the caller's then.
    public func openDoor(_ descriptor: Int32, whenClosed: @escaping () -> Void) throws {
        let own = PeerCredentials(processID: getpid(), userID: userID, groupID: getegid())
        let door = Session(id: 0, credentials: own, descriptor: descriptor)
        door.isClosed = true
        door.source = try watch(descriptor, .session(door))
        door.door = .open(whenClosed)
        doors.append(door)
    }

    /// Keeps the socket of a session that ends for those who inherited it from its process.
    ///
    /// - Returns: false if its user has as many doors as it may have sessions.
    func keepDoor(of session: Session) -> Bool {
        let user = session.credentials.userID
        guard doors.count(where: { $0.credentials.userID == user }) < configuration.maximumSessionsPerUser else {
            return false
        }
        if let arena = session.arena {
            // Its children descend from it as much as if it lived.
            session.inheritedArenas.insert(arena.id)
        }
        session.door = .open(nil)
        doors.append(session)
        return true
    }

    /// Takes the frames that wait at a door.
    func receiveDoors(_ door: Session) {
        for _ in 0..<64 {
            guard case .open = door.door else { return }
            let user = door.credentials.userID
            // All descriptors of the service are not its holders'.
            if StrangeDescriptors.isFull(user) { return close(door) }
            var descriptors = FrameDescriptors()
            let size = kernel.receiveFrame(
                door.descriptor, of: user, into: frame, descriptors: &descriptors)
            if size == Int(0 &- Errno.eagain) || size == Int(0 &- Errno.eintr) { return }
            // An empty message is none of the end.
            if size < 0 || size == 0 && kernel.poll(door.descriptor, .input).contains(.hangup) {
                discard(descriptors, from: 0, door)
                return close(door)
            }
            let opens =
                size >= SessionFrame.payload && descriptors.count == 1 && !descriptors.isTruncated
                && frame.load(as: UInt32.self) == SessionFrame.Kind.door.rawValue
                && kernel.isUnixSocket(descriptors.values[0], type: UInt32(SOCK_SEQPACKET.rawValue))
            if opens { openSession(descriptors.values[0], parent: door) }
            // What one holder sends amiss must not shut the door to the others.
            discard(descriptors, from: opens ? 1 : 0, door)
        }
    }

    private func close(_ door: Session) {
        guard case .open(let whenClosed) = door.door else { return }
        door.door = .none
        kernel.epollDelete(epoll, door.descriptor)
        sources.remove(door.source)
        StrangeDescriptors.end(door.descriptor)
        doors.removeAll { $0 === door }
        door.otherArenas = []
        whenClosed?()
    }

    /// Shuts all of them; nobody is told.
    func closeDoors() {
        for door in doors {
            door.door = .none
            kernel.epollDelete(epoll, door.descriptor)
            StrangeDescriptors.end(door.descriptor)
        }
        doors = []
    }
}
