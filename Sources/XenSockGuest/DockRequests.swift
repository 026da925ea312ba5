import Glibc
import Logging
import XenSockRing
import XenSockWire

/// Requests on the device's command ring that are not answered, or not yet sent.
struct DockRequests {
    /// By `req_id`.
    var sent: [UInt32: DockRequest] = [:]
    var waiting: [DockRequest] = []

    /// A number that no unanswered request has.
    var freeNumber: UInt32? { (0..<Dialect.xensock2.slotCount).first { sent[$0] == nil } }
}

/// A device request (docs/PROTOCOL.md, 3.7).
enum DockRequest {
    case session(DockSession)
    case end(DockSession)
    /// With the placeholder that was asked for, its session, and the frame's id.
    case attach(DockSession, DockPlaceholder, of: DockSession, name: UInt64, generation: UInt32, wantsArena: Bool)

    var session: DockSession {
        switch self {
        case .session(let session), .end(let session), .attach(let session, _, _, _, _, _): session
        }
    }
}

extension Dock {
    /// Sends a request, when there is room.
    func submit(_ request: DockRequest) {
        if case .end(let session) = request {
            session.unansweredEnds += 1
            tendSoon()
        }
        requests.waiting.append(request)
        send()
    }

    private func send() {
        guard let connection else { return requests.waiting.removeAll() }
        var mustNotify = false
        while !requests.waiting.isEmpty, !connection.ring.isFull, let number = requests.freeNumber {
            let request = requests.waiting.removeFirst()
            requests.sent[number] = request
            write(request, number, connection.ring.nextRequest())
            if connection.ring.push() { mustNotify = true }
        }
        if mustNotify { connection.notify() }
    }

    private func write(_ request: DockRequest, _ number: UInt32, _ entry: UnsafeMutableRawPointer) {
        memset(entry, 0, 64)
        entry.storeBytes(of: number, toByteOffset: EntryLayout.requestID, as: UInt32.self)
        entry.storeBytes(of: request.session.id, toByteOffset: EntryLayout.id, as: UInt64.self)
        func store(_ value: UInt32, _ offset: Int) {
            entry.storeBytes(of: value, toByteOffset: offset, as: UInt32.self)
        }
        switch request {
        case .session(let session):
            typealias Field = XenSession.Entry
            store(XenSession.Command.session.rawValue, EntryLayout.command)
            store(session.memory?.dock.references.first ?? 0, Field.dockReference)
            store(session.memory?.channel ?? 0, Field.eventChannel)
            store(session.user, Field.user)
            store(UInt32(bitPattern: session.process), Field.process)
            store(session.memory?.bell?.port ?? 0, Field.programChannel)
        case .end:
            store(XenSession.Command.end.rawValue, EntryLayout.command)
        case .attach(_, let placeholder, let owner, let name, let generation, _):
            typealias Field = XenSession.Entry
            store(XenSession.Command.attach.rawValue, EntryLayout.command)
            entry.storeBytes(of: owner.id, toByteOffset: Field.owner, as: UInt64.self)
            store(placeholder.port, Field.port)
            store(generation, Field.generation)
            entry.storeBytes(of: name, toByteOffset: Field.socket, as: UInt64.self)
        }
    }

    /// Takes the responses that are there.
    func takeResponses() {
        guard let connection else { return }
        do throws(RingViolation) {
            repeat {
                while let entry = try connection.ring.nextResponse() {
                    func word(_ offset: Int) -> UInt32 { SharedWord32(entry + offset).load() }
                    let number = word(EntryLayout.requestID)
                    let ret = Int32(bitPattern: word(EntryLayout.Response.ret))
                    let value = word(XenSession.Entry.number)
                    let features = word(XenSession.Entry.features)
                    connection.ring.consumeResponse()
                    guard let request = requests.sent.removeValue(forKey: number) else { throw RingViolation() }
                    answered(request, ret, value, features: features)
                    guard connection.isOpen else { return }
                }
            } while !connection.ring.awaitResponse()
        } catch {
            return connection.violated("responses to no request")
        }
        send()
    }

    private func answered(_ request: DockRequest, _ ret: Int32, _ value: UInt32, features: UInt32) {
        switch request {
        case .session(let session):
            session.features = features
            opened(session, ret, number: value)
        case .end(let session):
            ended(session, ret)
        case .attach(let session, let placeholder, let owner, let name, let generation, let wantsArena):
            attached(session, placeholder, of: owner, name: name, wantsArena: wantsArena, ret, generation: generation)
        }
    }

    private func opened(_ session: DockSession, _ ret: Int32, number: UInt32) {
        session.deadline = .max
        guard ret == 0 else {
            log.error("the backend refuses a session: errno \(0 &- ret)")
            // Nothing is mapped there.
            session.phase = .ended
            refuse(session, ret > -4096 && ret < 0 ? -ret : EIO)
            return collect(session)
        }
        session.number = number
        // Its program has gone meanwhile, or was told that there is no answer.
        guard session.descriptor >= 0, !session.isDoor else { return finish(session) }
        session.phase = .open
        answerHello(session)
    }
}
