import CXenSockSystem
import Glibc
import XenSockPlatform
import XenSockWire

/// Who is served at the direct socket (docs/PROTOCOL.md, 3.7, "Who may have pages directly").
public struct DockAdmission: Sendable, Equatable {
    /// Users beside 0; nil for any.
    public var users: Set<UInt32>?
    /// Sessions of one user, at most.
    public var sessionsPerUser: Int

    /// User 0 alone.
    public static let root = DockAdmission(users: [], sessionsPerUser: .max)

    public init(users: Set<UInt32>?, sessionsPerUser: Int) {
        self.users = users
        self.sessionsPerUser = sessionsPerUser
    }

    func admits(_ user: UInt32) -> Bool { users?.contains(user) ?? true }

    /// Whether anybody but user 0 is meant.
    var isOpen: Bool { users.map { !$0.subtracting([0]).isEmpty } ?? true }
}

extension Dock {
    /// Descriptors that a session costs besides those of its sockets: its socket, its process, two allocations, its event
    /// channels, and one to spare.
    static let descriptorsPerSession = 7

    /// From now on sessions are opened as `admission` says; those that exist stay. From any thread.
    public func admit(_ admission: DockAdmission) {
        self.admission.withLock { $0 = admission }
        wake()
    }

    /// Lets those connect who may be served.
    func setMode() {
        guard let path = configuration.directPath else { return }
        chmod(path, isFenced && admission.withLock { $0.isOpen } ? 0o666 : 0o600)
    }

    /// Puts the fence up, if there is to be one.
    func establishFence() {
        guard let fence else { return }
        let fault = fence.establish()
        isFenced = fault == nil
        fenceTried = monotonicTime()
        if let fault {
            log.error("--fence: \(fault); the direct socket serves user 0 only")
        } else {
            log.info("the fence around grants holds: the direct socket serves whom the policy admits")
        }
    }

    /// Whether a program without privileges can use a gntalloc descriptor for nothing but its pages, as a trial of the last
    /// second has shown: user 0 may have taken the fence down.
    func fenceHolds() -> Bool {
        guard let fence else { return false }
        let now = monotonicTime()
        if now &- fenceTried < Self.second { return isFenced }
        fenceTried = now
        let fault = fence.fault()
        guard isFenced != (fault == nil) else { return isFenced }
        isFenced = fault == nil
        if let fault {
            log.error(
                "the fence does not hold any more: \(fault); the direct socket serves user 0 only (start the agent again to have it put up)"
            )
        } else {
            log.notice("the fence holds again")
        }
        return isFenced
    }

    /// Whether a user has rights to Xen's devices anyway.
    private func isTrusted(_ user: UInt32) -> Bool { user == 0 || geteuid() != 0 && user == geteuid() }

    /// Whether a session may be sent descriptors of gntalloc now.
    func mayHave(_ session: DockSession) -> Bool { session.isOwn || isTrusted(session.user) || fenceHolds() }

    /// Whom a session's use is counted for: nobody where only those are served who could have all without it.
    func account(_ user: UInt32, isOwn: Bool) -> UInt32? { isOwn || fence == nil ? nil : user }

    /// - Parameter parent: the session whose door it came through: its process may have other rights than that, not more.
    /// - Returns: 0, or an errno.
    func refusal(process: Int32, user: UInt32, isOwn: Bool, parent: DockSession?) -> Int32 {
        if isOwn { return process == getpid() ? 0 : EACCES }
        if let parent {
            if user != parent.user, !isTrusted(parent.user), isTrusted(user) { return EACCES }
        } else if !isTrusted(user), !admission.withLock({ $0.admits(user) }) {
            return EACCES
        }
        guard isTrusted(user) || fenceHolds() else { return EACCES }
        if StrangeDescriptors.isFull(user) { return EAGAIN }
        guard let account = account(user, isOwn: false) else {
            return sessions.count < configuration.maximumSessions ? 0 : EAGAIN
        }
        guard sessionShares.used(by: account) < admission.withLock({ $0.sessionsPerUser }) else { return EAGAIN }
        guard sessionShares.room(for: account) > 0 else {
            if let line = sessionShares.shortage(of: account, now: monotonicTime()) { log.warning("\(line)") }
            return EAGAIN
        }
        return hasDescriptors(Self.descriptorsPerSession, account) ? 0 : EAGAIN
    }

    /// Whether there are descriptors for a session or a socket.
    func hasDescriptors(_ count: Int, _ account: UInt32?) -> Bool {
        guard let account, descriptorShares.room(for: account) < count else { return true }
        if let line = descriptorShares.shortage(of: account, now: monotonicTime()) {
            log.warning("\(line) (LimitNOFILE=)")
        }
        return false
    }

    /// Tells a program that it is not served. Taken over; open for a moment more, so that its HELLO under way finds the
    /// answer and not a broken connection.
    func turnAway(_ descriptor: Int32, _ error: Int32) {
        var answer = FrameBuilder(.hello, argument: UInt32(error))
        answer.append(UInt64(0))
        _ = send(answer, -1, -1, to: descriptor)
        if refused.count >= 64 { StrangeDescriptors.end(refused.removeFirst()) }
        refused.append(descriptor)
        refusedUntil = monotonicTime() &+ Self.second
        alarm(at: refusedUntil)
    }

    /// Whether a session may know the sockets of another's arena (docs/PROTOCOL.md, 3.1, ATTACH).
    func mayShare(_ session: DockSession, _ owner: DockSession) -> Bool {
        guard session.isOwn == owner.isOwn else { return false }
        return session.user == owner.user || session.user == 0 || session.inherited.contains(owner.arena)
    }

    /// The arenas that those who come through a session's door may know.
    func inheritance(of parent: DockSession) -> Set<UInt64> {
        let live = Set(sessions.values.lazy.filter { $0.memory != nil }.map(\.arena))
        return parent.inherited.union(parent.attached).union([parent.arena]).intersection(live)
    }

    /// Logs what programs cause: ten lines in ten seconds.
    func report(_ text: @autoclosure () -> String) {
        let now = monotonicTime()
        if now &- reports.since >= 10 * Self.second {
            if reports.count > 10 { log.warning("\(reports.count - 10) lines of that kind were left out") }
            reports = (now, 0)
        }
        reports.count += 1
        if reports.count <= 10 { log.warning("\(text())") }
    }
}
