import Glibc
import Testing
import XenSockRing
import XenSockWire

@testable import XenSockBackend

private let input = EpollEvents.input
private let output = EpollEvents.output
private let readHangup = EpollEvents.readHangup
private let hangup = EpollEvents.hangup

/// RELAY with a scripted kernel (docs/PROTOCOL.md, 2.6).
@Suite struct RelayTests {
    private static let queued = IoctlRequest.inputQueue

    /// A connected socket that was relayed with nothing in its rings; its placeholder was read and found empty.
    private func relayed() throws -> ScriptedSocket {
        let it = try ScriptedSocket.connected()
        begin(it)
        it.kernel.expect("relayed 20 4096+0", returns: -EAGAIN)
        it.turn()
        it.kernel.finish()
        return it
    }

    private func begin(_ it: ScriptedSocket, fillers: Int = 0) {
        for _ in 0..<fillers { it.kernel.expect("filler 20", returns: 256) }
        it.kernel.expect("filler 20", returns: -EAGAIN)
        it.kernel.expect("setsockopt 20 1 7 [7, 160, 1, 0]")
        it.kernel.expect("rewatch 20 1")
        #expect(it.socket.startRelay() == 0)
        #expect(it.status(StatusLine.flags) & StatusLine.Flag.relayed != 0)
    }

    private func expectEnd(_ it: ScriptedSocket) {
        it.kernel.expect("close 10")
        it.kernel.expect("unwatch 20")
        it.kernel.expect("close 20")
    }

    private func expectAbort(_ it: ScriptedSocket) {
        it.kernel.expect("setsockopt 10 1 13 [1, 0, 0, 0, 0, 0, 0, 0]")
        expectEnd(it)
    }

    // MARK: Beginning

    @Test func whatWaitsInBothRingsGoesFirst() throws {
        let it = try ScriptedSocket.connected()
        it.socket.networkEvent(input)
        it.kernel.expect("receive 10 4096+0", returns: 100)
        it.kernel.expect("token 20", returns: 1)
        it.turn()
        try it.publish(50)
        begin(it, fillers: 2)
        it.kernel.expect("send 20 100+0", returns: 60)
        it.kernel.expect("relayed 20 4046+0", returns: 7)
        it.kernel.expect("send 10 57+0", returns: 57)
        it.turn()
        it.kernel.expect("send 20 40+0", returns: 40)
        it.turn()
        it.kernel.finish()
    }

    @Test func theSecondRequestChangesNothing() throws {
        let it = try relayed()
        #expect(it.socket.startRelay() == 0)
        it.kernel.finish()
    }

    @Test func aListenerCannotBeRelayed() throws {
        let it = try ScriptedSocket()
        it.kernel.expect("listen 10 5")
        it.kernel.expect("watch 10 100")
        #expect(it.socket.listen(backlog: 5) == 0)
        #expect(it.socket.startRelay() == -EINVAL)
        #expect(it.status(StatusLine.flags) == 0)
        it.kernel.finish()
    }

    @Test func aConnectUnderWayIsRelayedWhenItIsDecided() throws {
        let it = try ScriptedSocket()
        #expect(it.socket.startRelay() == 0)
        it.kernel.expect("connect 10 family 2", returns: -EINPROGRESS)
        it.kernel.expect("poll 10 4")
        it.kernel.expect("watch 10 100")
        #expect(it.connect() == -EINPROGRESS)
        #expect(it.status(StatusLine.flags) == 0)
        try it.obstruct()
        it.kernel.expect("getsockopt 10 1 4", data: [0, 0, 0, 0])
        it.kernel.expect("filler 20", returns: 256)
        it.kernel.expect("setsockopt 20 1 7 [7, 160, 1, 0]")
        it.kernel.expect("rewatch 20 1")
        it.socket.networkEvent(output)
        #expect(it.status(StatusLine.flags) == StatusLine.Flag.relayed)
        #expect(it.socket.phase == .connected)
        it.kernel.finish()
    }

    @Test func aRequestWithIndexesBeyondTheRingEndsTheSocketOnly() throws {
        let it = try ScriptedSocket.connected()
        IndexWord(it.socket.indexes + OutProducer.offset).store(.init(index: 5000, flags: 0))
        expectViolation(it)
        #expect(it.socket.startRelay() == -EIO)
        #expect(it.socket.violation != nil)
        it.kernel.finish()
    }

    private func expectViolation(_ it: ScriptedSocket) {
        it.kernel.expect("setsockopt 10 1 13 [1, 0, 0, 0, 0, 0, 0, 0]")
        it.kernel.expect("close 10")
        it.kernel.expect("token 20", returns: 1)
        it.kernel.expect("shutdown 20 2")
    }

    // MARK: Both directions

    @Test func aProgramThatReadsNothingStopsThePeer() throws {
        let it = try relayed()
        it.socket.networkEvent(input)
        it.kernel.expect("receive 10 4096+0", returns: 4096)
        it.kernel.expect("send 20 4096+0", returns: -EAGAIN)
        it.turn()
        it.turn()
        #expect(!it.socket.wantsTurn)
        it.socket.placeholderEvent(output)
        it.kernel.expect("send 20 4096+0", returns: 1096)
        it.turn()
        it.kernel.expect("receive 10 1096+0", returns: -EAGAIN)
        it.kernel.expect("send 20 3000+0", returns: 3000)
        it.turn()
        it.kernel.finish()
    }

    @Test func aPeerThatReadsNothingStopsTheProgram() throws {
        let it = try relayed()
        it.socket.placeholderEvent(input)
        it.kernel.expect("relayed 20 4096+0", returns: 4096)
        it.kernel.expect("send 10 4096+0", returns: -EAGAIN)
        it.turn()
        it.turn()
        #expect(!it.socket.wantsTurn)
        it.socket.networkEvent(output)
        it.kernel.expect("send 10 4096+0", returns: 4096)
        it.turn()
        it.kernel.expect("relayed 20 4096+0", returns: -EAGAIN)
        it.turn()
        it.kernel.finish()
    }

    @Test func whatTheFrontendDoesToItsRingChangesNothing() throws {
        let it = try relayed()
        try it.publish(100)
        it.socket.doorbell()
        it.turn()
        it.kernel.finish()
    }

    // MARK: Ends

    @Test func theEndOfEachDirectionIsShownBehindItsBytes() throws {
        let it = try relayed()
        it.socket.placeholderEvent(input | readHangup)
        it.kernel.expect("relayed 20 4096+0", returns: 10)
        it.kernel.expect("send 10 10+0", returns: 10)
        it.turn()
        it.kernel.expect("relayed 20 4086+10", returns: 0)
        it.kernel.expect("shutdown 10 1")
        it.turn()
        #expect(it.socket.phase == .connected)
        it.socket.networkEvent(input | readHangup)
        it.kernel.expect("receive 10 4096+0", returns: 20)
        it.kernel.expect("send 20 20+0", returns: 20)
        it.turn()
        it.kernel.expect("receive 10 4076+20", returns: 0)
        it.kernel.expect("shutdown 20 1")
        it.kernel.expect("poll 20 \(PollEvents.readHangup.rawValue)", returns: 0x2010)
        expectEnd(it)
        it.turn()
        #expect(it.socket.phase == .gone)
        it.kernel.finish()
    }

    @Test func aClosedProgramsLastBytesAreSent() throws {
        let it = try relayed()
        it.socket.placeholderEvent(input | readHangup | hangup)
        #expect(it.socket.phase == .draining)
        it.kernel.expect("relayed 20 4096+0", returns: 10)
        it.kernel.expect("send 10 10+0", returns: -EAGAIN)
        it.turn()
        it.socket.networkEvent(output)
        it.kernel.expect("relayed 20 4086+0", returns: 0)
        it.kernel.expect("send 10 10+0", returns: 10)
        expectEnd(it)
        it.turn()
        #expect(it.socket.phase == .gone)
        it.kernel.finish()
    }

    @Test func aProgramThatClosedWithBytesUnreadResets() throws {
        let it = try relayed()
        // What it wrote goes out before.
        it.kernel.expect("relayed 20 4096+0", returns: 5)
        it.kernel.expect("send 10 5+0", returns: 5)
        it.kernel.expect("relayed 20 4091+5", returns: -ECONNRESET)
        expectAbort(it)
        it.socket.placeholderEvent(hangup | EpollEvents.error)
        #expect(it.socket.phase == .gone)
        it.kernel.finish()
    }

    @Test func bytesThatTheServiceHoldsAtTheCloseResetToo() throws {
        let it = try relayed()
        it.socket.networkEvent(input)
        it.kernel.expect("receive 10 4096+0", returns: 100)
        it.kernel.expect("send 20 100+0", returns: -EAGAIN)
        it.turn()
        it.socket.placeholderEvent(hangup | readHangup)
        it.kernel.expect("relayed 20 4096+0", returns: 0)
        expectAbort(it)
        it.turn()
        #expect(it.socket.phase == .gone)
        it.kernel.finish()
    }

    @Test func aLingerOfZeroResetsAtOnce() throws {
        let it = try relayed()
        it.socket.noteLinger(1)
        expectAbort(it)
        it.socket.placeholderEvent(hangup | readHangup)
        it.kernel.finish()
    }

    @Test func aResetIsShownBehindTheBytesAndEndsWithTheProgramsClose() throws {
        let it = try relayed()
        it.socket.networkEvent(input | EpollEvents.error)
        it.kernel.expect("receive 10 4096+0", returns: 30)
        it.kernel.expect("send 20 30+0", returns: 30)
        it.turn()
        it.kernel.expect("receive 10 4066+30", returns: -ECONNRESET)
        it.kernel.expect("ioctl 20 \(Self.queued)", data: [0])
        it.kernel.expect("shutdown 20 1")
        it.kernel.expect("poll 20 \(PollEvents.readHangup.rawValue)")
        it.turn()
        #expect(it.socket.phase == .reset)
        #expect(it.status(StatusLine.error) == UInt32(ECONNRESET))
        expectAbort(it)
        it.socket.placeholderEvent(hangup)
        #expect(it.socket.phase == .gone)
        it.kernel.finish()
    }

    @Test func aResetOverBytesThatWereNotTakenIsTheKernelsToReport() throws {
        let it = try relayed()
        it.socket.networkEvent(input | EpollEvents.error)
        it.kernel.expect("receive 10 4096+0", returns: -ECONNRESET)
        it.kernel.expect("ioctl 20 \(Self.queued)", data: [9])
        expectAbort(it)
        it.turn()
        #expect(it.socket.phase == .gone)
        it.kernel.finish()
    }

    @Test func aResetThatIsWaitedForGivesThePortBackAtTheLatestAfterAMinute() throws {
        let it = try relayed()
        it.setFlags(StatusLine.Flag.endWanted)
        it.socket.references = [SocketReference(session: 1, id: 1)]
        it.socket.networkEvent(input | EpollEvents.error)
        it.kernel.expect("receive 10 4096+0", returns: -ECONNRESET)
        it.kernel.expect("ioctl 20 \(Self.queued)", data: [0])
        it.kernel.expect("shutdown 20 1")
        it.kernel.expect("poll 20 \(PollEvents.readHangup.rawValue)")
        it.kernel.expect("shutdown 20 0")
        it.turn()
        // The edge of the service's own shutdown.
        it.socket.placeholderEvent(hangup)
        #expect(it.socket.phase == .reset)
        #expect(it.socket.drainDeadline(now: 59_000_000_000) == 60_000_000_000)
        expectAbort(it)
        #expect(it.socket.drainDeadline(now: 60_000_000_000) == nil)
        it.kernel.finish()
    }

    @Test func aFailedSendLeavesTheOtherDirectionUntilItsEnd() throws {
        let it = try relayed()
        it.socket.placeholderEvent(input)
        it.kernel.expect("relayed 20 4096+0", returns: 10)
        it.kernel.expect("send 10 10+0", returns: -EPIPE)
        it.kernel.expect("shutdown 20 0")
        it.turn()
        it.kernel.expect("receive 10 4096+0", returns: 40)
        it.kernel.expect("send 20 40+0", returns: 40)
        it.turn()
        it.kernel.expect("receive 10 4056+40", returns: 0)
        it.kernel.expect("ioctl 20 \(Self.queued)", data: [0])
        it.kernel.expect("shutdown 20 1")
        it.kernel.expect("poll 20 \(PollEvents.readHangup.rawValue)")
        it.turn()
        #expect(it.socket.phase == .reset)
        it.kernel.finish()
    }

    // MARK: Requests

    @Test func anOrderedRequestWaitsForWhatWasWrittenBeforeIt() throws {
        let it = try relayed()
        it.kernel.expect("ioctl 20 \(Self.queued)", data: [10])
        #expect(it.socket.sendOutOfBand(33, at: 0) == 0)
        it.socket.placeholderEvent(input)
        it.kernel.expect("relayed 20 4096+0", returns: 15)
        it.kernel.expect("send 10 10+0", returns: 10)
        it.turn()
        it.kernel.expect("urgent 10 33", returns: 1)
        it.kernel.expect("send 10 5+0", returns: 5)
        it.turn()
        it.kernel.finish()
    }

    @Test func aDeadHolderOfALockLeavesNothingToSettle() throws {
        let it = try relayed()
        it.socket.settleDeadReader()
        it.socket.settleDeadSender()
        it.turn()
        it.kernel.finish()
    }
}
