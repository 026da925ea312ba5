import CXenSockSystem
import XenSockPlatform
import XenSockRing
import XenSockWire

/// Slots of the command ring, and the threads that wait for what comes back in them.
extension Commands {
    /// Reserves the ring's next slot. On success the session's lock is held.
    ///
    /// - Returns: the slot and the session's phase word; nil if the session is dead.
    static func reserve(
        _ state: UnsafeMutablePointer<SessionState>, _ mask: UInt64
    ) -> (slot: UInt32, life: UInt32)? {
        var patience = Patience(mask)
        var naps = 0
        while true {
            Session.lock(state, mask: mask)
            guard let life = Session.life(state) else {
                Session.unlock(state)
                return nil
            }
            if let slot = freeSlot(state) { return (slot, life) }
            Session.unlock(state)
            // The next slot's request may be one that nobody waits for.
            guard let taken = takeResponses(state, life) else {
                Session.markDead(state, life)
                return nil
            }
            if taken {
                Session.advance(state)
                naps = 0
                continue
            }
            let progress = SharedWord32(&state.pointee.progress).load()
            Session.sleep(state, seen: progress, nanoseconds: 1_000_000)
            Signals.admitDefaults(mask)
            naps &+= 1
            if naps % 100 == 0, !patience.passSlice() { Session.markDead(state, life, silent: true) }
        }
    }

    /// A number for the next request. Where requests are held the older ones keep theirs, so any free one will do.
    private static func freeSlot(_ state: UnsafeMutablePointer<SessionState>) -> UInt32? {
        if state.pointee.ring.isFull { return nil }
        if state.pointee.dialect == 0 {
            let slot = state.pointee.ring.nextSlot
            return SharedWord32(Session.exchange(state, slot)).load() == Progress.free ? slot : nil
        }
        for slot in 0..<Session.dialect(state).slotCount
        where SharedWord32(Session.exchange(state, slot)).load() == Progress.free {
            return slot
        }
        return nil
    }

    /// Waits until the slot's response is there. Returns false if the session died before.
    static func awaitResponse(
        _ state: UnsafeMutablePointer<SessionState>, _ record: UnsafeMutableRawPointer, _ life: UInt32, _ mask: UInt64
    ) -> Bool {
        let progress = SharedWord32(&state.pointee.progress)
        let leader = SharedWord32(&state.pointee.leader)
        var patience = Patience(mask)
        while true {
            let seen = progress.loadOrdered()
            if !Session.isAlive(state, life) { return false }
            if SharedWord32(record).loadOrdered() == Progress.done { return true }
            if leader.compareExchange(0, 1) {
                lead(state, until: record, life, &patience)
                leader.storeOrdered(0)
                Session.advance(state)
            } else {
                Session.sleep(state, seen: seen, nanoseconds: Patience.slice)
                // Progress of others is none of this request, but shows that the service answers.
                if progress.loadOrdered() == seen, !patience.passSlice() {
                    Session.markDead(state, life, silent: true)
                }
            }
        }
    }

    /// Leads until the leader's own response is there or the session is dead.
    private static func lead(
        _ state: UnsafeMutablePointer<SessionState>, until record: UnsafeMutableRawPointer, _ life: UInt32,
        _ patience: inout Patience
    ) {
        while Session.isAlive(state, life) {
            guard let taken = takeResponses(state, life) else {
                Session.markDead(state, life)
                return
            }
            if SharedWord32(record).loadOrdered() == Progress.done { return }
            if taken { Session.advance(state) }
            // The service mostly answers sooner than this thread could fall asleep and wake.
            var looks = state.pointee.looks
            while looks > 0, !state.pointee.ring.hasResponse {
                xs_pause()
                looks &-= 1
            }
            if looks > 0 { continue }
            Session.lock(state)
            // Who posts takes answers, too, and nobody is woken for one that was taken.
            let isDone = SharedWord32(record).load() == Progress.done
            let quiet = !isDone && (!Session.isAlive(state, life) || state.pointee.ring.awaitResponse())
            let socket = state.pointee.socket
            Session.unlock(state)
            if !quiet { continue }
            let ready = patience.awaitFrame(socket)
            if ready == 0 { continue }
            if ready < 0 || !readFrame(socket, attaching: nil) {
                Session.markDead(state, life, silent: ready == -Int(ETIMEDOUT))
                return
            }
        }
    }

    /// Hands out the responses on the ring.
    ///
    /// - Returns: whether there were any; nil if the service broke the protocol.
    static func takeResponses(_ state: UnsafeMutablePointer<SessionState>, _ life: UInt32) -> Bool? {
        var taken = false
        Session.lock(state)
        defer { Session.unlock(state) }
        guard Session.isAlive(state, life), let base = state.pointee.base else { return nil }
        let arguments = ArgumentArea(base: base + Arena.argumentsOffset)
        while true {
            let entry: UnsafeMutableRawPointer?
            do throws(RingViolation) {
                entry = try state.pointee.ring.nextResponse()
            } catch {
                return nil
            }
            guard let entry else { return taken }
            let codec = RequestCodec(Session.dialect(state))
            let response = codec.decodeResponse(from: entry, arguments: arguments)
            state.pointee.ring.consumeResponse()
            taken = true
            // For an answer to nothing another request would never have one.
            guard response.requestID < Dialect.xensock2.slotCount else { return nil }
            let record = Session.exchange(state, response.requestID)
            let progress = SharedWord32(record).load()
            if progress == Progress.posted {
                if state.pointee.dialect == 0 {
                    Posting.answered(state, note: SharedWord32(record + 4).load(), response)
                }
                SharedWord32(record).storeOrdered(Progress.free)
                continue
            }
            if progress != Progress.waiting { return nil }
            (record + 8).storeBytes(of: response, as: Response.self)
            SharedWord32(record).storeOrdered(Progress.done)
        }
    }
}
