import Glibc
import Synchronization
import XenSockXen

/// An event channel by which a program signals the backend, on a descriptor that the program has, too.
///
/// The kernel's calls on one such descriptor exclude each other, and one whose argument lies in memory that does not come
/// never ends. So once the program has the descriptor the agent's thread makes no call on it: the backend's events come by
/// another channel, and a thread of its own unbinds this one.
struct DockBell {
    let channels: any EventChannels
    /// Unbound, for the backend to bind.
    let port: UInt32

    init(_ channels: any EventChannels, for backend: DomainID) throws(XenError) {
        self.channels = channels
        port = try channels.bindUnbound(for: backend)
        // Whoever has the descriptor could bind ports of every domain, and use up the guest's.
        try channels.restrict(to: .nobody)
    }
}

extension Dock {
    /// Unbinds the channel of a session that is over. As long as that takes, which its program decides, the session counts
    /// as its user's.
    func retire(_ bell: DockBell, of session: DockSession) {
        sessionShares.take(1, session.account)
        descriptorShares.take(1, session.account)
        retired.retire(bell, account: session.account)
    }

    /// Gives back what those cost that are gone by now.
    func settleRetired() {
        for account in retired.take() {
            sessionShares.give(1, account)
            descriptorShares.give(1, account)
        }
    }
}

/// Event channels that are being unbound, each by a thread of its own.
final class RetiredBells: Sendable {
    private struct State {
        var wakeup: Int32
        var gone: [UInt32?] = []
    }
    private let state: Mutex<State>

    /// - Parameter wakeup: an eventfd, which is written when one is gone. Owned from here on.
    init(wakeup: Int32) { state = Mutex(State(wakeup: wakeup)) }

    /// Nobody is to be woken any more.
    func close() {
        state.withLock {
            Glibc.close($0.wakeup)
            $0.wakeup = -1
        }
    }

    /// The accounts of those that are gone, each named once.
    func take() -> [UInt32?] {
        state.withLock { state in
            defer { state.gone = [] }
            return state.gone
        }
    }

    private final class Work {
        let bells: RetiredBells
        var bell: DockBell?
        let account: UInt32?

        init(_ bells: RetiredBells, _ bell: DockBell, _ account: UInt32?) {
            (self.bells, self.bell, self.account) = (bells, bell, account)
        }

        func run() {
            if let bell { bell.channels.unbind(bell.port) }
            // The last reference: closes the agent's copy of the descriptor.
            bell = nil
            bells.add(account)
        }
    }

    /// Unbinds a channel, and closes the agent's copy of its descriptor, which nobody else may use.
    func retire(_ bell: DockBell, account: UInt32?) {
        let work = Unmanaged.passRetained(Work(self, bell, account))
        var attributes = pthread_attr_t()
        pthread_attr_init(&attributes)
        pthread_attr_setdetachstate(&attributes, Int32(PTHREAD_CREATE_DETACHED))
        pthread_attr_setstacksize(&attributes, 128 * 1024)
        var thread = pthread_t()
        let result = pthread_create(
            &thread, &attributes,
            { argument in
                Unmanaged<Work>.fromOpaque(argument!).takeRetainedValue().run()
                return nil
            }, work.toOpaque())
        pthread_attr_destroy(&attributes)
        guard result != 0 else { return }
        // Without a thread it stays bound as long as the program has it; closing does not wait.
        let unstarted = work.takeRetainedValue()
        unstarted.bell = nil
        add(account)
    }

    private func add(_ account: UInt32?) {
        state.withLock { state in
            state.gone.append(account)
            var one: UInt64 = 1
            _ = write(state.wakeup, &one, 8)
        }
    }
}
