import XenSockRing
import XenSockWire

/// What the service knows of a socket that the agent relays (docs/PROTOCOL.md, 3.7, RELAY).
struct AgentRelay {
    /// The program writes no more: the real socket's end follows in `out`'s place.
    var isEnded = false
    /// The program is gone, or nothing is left to do for it, and the agent has yet to say that it is done.
    var isFinishing = false
}

/// A socket whose bytes the agent moves between the ring and its end of the placeholder. To the service it is a socket with
/// a ring as any other: the agent is the ring's frontend, and the counts of the placeholder line wake it.
extension BackendSocket {
    /// Whether the placeholder carries the bytes.
    var isRelayed: Bool { relay != nil || agentRelay != nil }

    /// - Parameter isHeld: whoever asked holds both locks and took the tokens away, so nothing is on its way.
    func beginRelay(at port: XenPort, isHeld: Bool) throws(RingViolation) {
        _ = try inRing.unread()
        _ = try outRing.waiting()
        if isHeld {
            port.purgeFillers()
        } else if outRing.isOwed {
            // On its way before the program's first byte.
            _ = port.receiveFiller()
        }
        try outRing.forgetFillers()
        fillerDebt = 0
        watchesFiller = false
        agentRelay = AgentRelay()
        status.setRelayed()
        port.startRelay()
        wantsTurn = true
    }

    /// Looks at what the agent says of the program.
    func lookAtAgent(_ port: XenPort) {
        if port.isEnded, agentRelay?.isEnded == false {
            agentRelay?.isEnded = true
            guarded { () throws(RingViolation) in
                guard phase == .connected, !outClosed else { return }
                _ = perform(.shutdownWrite, at: outRing.consumed &+ (try outRing.waiting()))
            }
        }
        guard port.hangup == PlaceholderLine.Hangup.finishing, agentRelay?.isFinishing == false else { return }
        agentRelay?.isFinishing = true
        lastProgress = kernel.now()
        // A close that resets does not wait for what the program wrote.
        if lingerSeconds == 0 { hangUp() }
    }

    /// Whether the program's end was closed with bytes of the stream unread: TCP resets then.
    var isClosedOverUnread: Bool {
        agentRelay != nil && arena.xen?.port(port)?.hangup == PlaceholderLine.Hangup.reset
    }

    /// The holder of the send lock died: a filler that the agent still waits for is there or will never come.
    func settleDeadSenderAtAgent() {
        arena.xen?.port(port)?.purgeFillers()
        wantsTurn = true
    }

    /// The bytes that lie between the program and the kernel's queue of which `request` asks.
    func stagedAtAgent(_ request: UInt32, written: UInt32) -> Int32 {
        switch request {
        case IoctlRequest.inputQueue: Int32(clamping: (try? inRing.unread()) ?? 0)
        case IoctlRequest.outputQueue, IoctlRequest.outputQueueUnsent:
            max(0, Int32(bitPattern: written &- outRing.consumed))
        default: 0
        }
    }
}

extension Service {
    /// RELAY: of a guest's socket the answer comes when the agent has begun.
    func relay(_ socket: Socket, _ incoming: IncomingRequest, _ session: Session) -> Response? {
        let response = incoming.response(socket.startRelay())
        guard response.ret == 0, socket.agentRelay != nil, socket.placeholder >= 0,
            let port = socket.arena.xen?.port(socket.port)
        else { return response }
        answer(response, to: session, when: port)
        return nil
    }

    /// Performs a request that applies behind what the program of a relayed socket has written: when the agent has said
    /// where that ends.
    ///
    /// - Parameter perform: gets the index of `out`; 0 if the program's end is closed.
    func performBehindAgent(
        _ socket: Socket, _ incoming: IncomingRequest, _ session: Session, _ perform: @escaping (UInt32) -> Response
    ) -> Response? {
        guard socket.phase == .connected, socket.placeholder >= 0, let port = socket.arena.xen?.port(socket.port) else {
            return perform(0)
        }
        look(at: port, for: session) { [weak self] session in
            guard let self else { return }
            answer(perform(port.written), to: session)
            settle(socket)
        }
        return nil
    }
}
