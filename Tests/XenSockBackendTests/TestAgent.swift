import Glibc
import XenSockRing
import XenSockWire
import XenSockXen

@testable import XenSockBackend

/// Empties an eventfd.
func takeSignal(_ descriptor: Int32) {
    var value: UInt64 = 0
    _ = read(descriptor, &value, 8)
}

/// A guest's agent: the device's command ring, the sessions' memory, and the other ends of the placeholders, which it serves
/// on a thread of its own as docs/PROTOCOL.md, 3.7, demands.
final class TestAgent: @unchecked Sendable {
    let platform: XenPlatform
    let channels: any EventChannels
    private let page: GrantAllocation
    let ringReference: UInt32
    let ringPort: UInt32
    private var ring: CommandRingFront
    private let answered = LinuxKernel().eventDescriptor()
    private let mutex: UnsafeMutablePointer<pthread_mutex_t>
    private var thread = pthread_t()
    private var isStopping = false
    private var sessions: [GuestClient] = []
    private var nextID: UInt64 = 100

    init(_ platform: XenPlatform) throws {
        self.platform = platform
        channels = try platform.channels()
        page = try platform.allocator.allocate(pages: 1, for: .control)
        ringReference = page.references[0]
        ringPort = try channels.bindUnbound(for: .control)
        ring = CommandRingFront(page: page.base, layout: .pvcalls)
        mutex = .allocate(capacity: 1)
        var attributes = pthread_mutexattr_t()
        pthread_mutexattr_init(&attributes)
        pthread_mutexattr_settype(&attributes, Int32(PTHREAD_MUTEX_RECURSIVE))
        pthread_mutex_init(mutex, &attributes)
        let argument = Unmanaged.passRetained(self).toOpaque()
        pthread_create(
            &thread, nil,
            { argument in
                if let argument { Unmanaged<TestAgent>.fromOpaque(argument).takeRetainedValue().run() }
                return nil
            }, argument)
    }

    func stop() {
        locked { isStopping = true }
        pthread_join(thread, nil)
        LinuxKernel().close(answered)
    }

    func locked<T>(_ body: () throws -> T) rethrows -> T {
        pthread_mutex_lock(mutex)
        defer { pthread_mutex_unlock(mutex) }
        return try body()
    }

    // MARK: The device's ring

    struct Answer: Equatable {
        let ret: Int32
        let value: UInt32
    }

    /// Sends one device request and waits for its answer.
    func call(_ command: UInt32, id: UInt64, _ fields: [(offset: Int, value: UInt32)] = []) throws -> Answer {
        post(command, id: id, fields)
        return try awaitAnswer(id)
    }

    func post(_ command: UInt32, id: UInt64, _ fields: [(offset: Int, value: UInt32)] = []) {
        locked {
            let slot = ring.nextRequest()
            slot.initializeMemory(as: UInt8.self, repeating: 0, count: 64)
            slot.storeBytes(of: command, toByteOffset: EntryLayout.command, as: UInt32.self)
            slot.storeBytes(of: id, toByteOffset: EntryLayout.id, as: UInt64.self)
            for (offset, value) in fields { slot.storeBytes(of: value, toByteOffset: offset, as: UInt32.self) }
            if ring.push() { channels.notify(ringPort) }
        }
    }

    func awaitAnswer(_ id: UInt64, milliseconds: Int = 20_000) throws -> Answer {
        for _ in 0..<16 {
            if let answer = try takeAnswer(id) { return answer }
            guard waitFor(answered, POLLIN, milliseconds) else { break }
            takeSignal(answered)
        }
        throw ClientError(description: "no answer on the device's ring")
    }

    private func takeAnswer(_ id: UInt64) throws -> Answer? {
        try locked {
            repeat {
                guard let slot = try ring.nextResponse() else { continue }
                let answer = Answer(
                    ret: slot.load(fromByteOffset: EntryLayout.Response.ret, as: Int32.self),
                    value: slot.load(fromByteOffset: XenSession.Entry.number, as: UInt32.self))
                guard slot.load(fromByteOffset: EntryLayout.Response.id, as: UInt64.self) == id else {
                    throw ClientError(description: "the answer to another request")
                }
                ring.consumeResponse()
                return answer
            } while !ring.awaitResponse()
            return nil
        }
    }

    /// Sets the device ring's request producer.
    func claimRequests(_ producer: UInt32) {
        SharedWord32(page.base + CommandRingLayout.requestProducer).storeOrdered(producer)
        channels.notify(ringPort)
    }

    // MARK: Sessions

    /// Grants a session's memory and lists it; nothing is asked of the backend yet.
    func prepare(ports: UInt32 = 64) throws -> GuestClient {
        try locked {
            nextID += 1
            let session = try GuestClient(self, id: nextID, ports: ports)
            sessions.append(session)
            return session
        }
    }

    /// A session that is ready for requests.
    func open(ports: UInt32 = 64, user: UInt32 = 1000) throws -> GuestClient {
        let session = try prepare(ports: ports)
        guard try session.open(user: user).ret == 0 else { throw ClientError(description: "SESSION") }
        return session
    }

    private func run() {
        while !locked({ isStopping }) {
            waitFor(channels.descriptor, POLLIN, 1)
            locked {
                while let port = channels.nextPending() {
                    channels.unmask(port)
                    if port == ringPort { LinuxKernel().signal(eventDescriptor: answered) }
                    sessions.first { $0.channel == port }?.takeEvents()
                }
                for session in sessions { session.lookAround() }
            }
        }
    }
}
