import Glibc
import Testing
import XenSockRing
import XenSockWire

@testable import XenSockBackend

private let input = EpollEvents.input
private let output = EpollEvents.output
private let readHangup = EpollEvents.readHangup

@Suite struct SocketStateTests {
    // MARK: Receiving

    @Test func aShortReadIsTheLastOneUntilTheNextEdge() throws {
        let it = try ScriptedSocket.connected()
        it.socket.networkEvent(input)
        it.kernel.expect("receive 10 4096+0", returns: 100)
        it.kernel.expect("token 20", returns: 1)
        it.turn()
        #expect(!it.socket.wantsTurn)
        it.socket.doorbell()
        it.turn()
        // The token still stands.
        it.socket.networkEvent(input)
        it.kernel.expect("receive 10 3996+0", returns: 5)
        it.turn()
        it.kernel.finish()
        #expect(try it.incoming.view().count == 105)
    }

    @Test func aReadThatWasInterruptedComesAgain() throws {
        let it = try ScriptedSocket.connected()
        it.socket.networkEvent(input)
        it.kernel.expect("receive 10 4096+0", returns: -EINTR)
        it.turn()
        #expect(it.socket.wantsTurn)
        it.kernel.expect("receive 10 4096+0", returns: -EAGAIN)
        it.turn()
        #expect(!it.socket.wantsTurn)
        it.kernel.finish()
    }

    @Test func afterTheFinAShortReadIsNotTrusted() throws {
        let it = try ScriptedSocket.connected()
        it.socket.networkEvent(input | readHangup)
        it.kernel.expect("receive 10 4096+0", returns: 100)
        it.kernel.expect("token 20", returns: 1)
        it.turn()
        #expect(it.socket.wantsTurn)
        it.kernel.expect("receive 10 3996+0", returns: 0)
        it.turn()
        #expect(try it.incoming.view().endOfFile)
        it.kernel.finish()
    }

    @Test func aResetBehindDataComesBehindItAndBreaksTheOtherDirection() throws {
        let it = try ScriptedSocket.connected()
        it.socket.networkEvent(input | EpollEvents.error)
        it.kernel.expect("receive 10 4096+0", returns: 100)
        it.kernel.expect("token 20", returns: 1)
        it.turn()
        it.kernel.expect("receive 10 3996+0", returns: -ECONNRESET)
        it.kernel.expect("shutdown 20 2")
        it.turn()
        #expect(it.state == .reset)
        #expect(it.status(StatusLine.error) == UInt32(ECONNRESET))
        #expect(try it.outgoing.view().isBroken)
        #expect(try it.incoming.view().count == 100)
        #expect(try it.incoming.view().producer.tokens == 1)
        it.kernel.finish()
    }

    @Test func aFullRingIsNotReadIntoUntilTheFrontendRings() throws {
        let it = try ScriptedSocket.connected()
        it.socket.networkEvent(input)
        it.kernel.expect("receive 10 4096+0", returns: 4096)
        it.kernel.expect("token 20", returns: 1)
        it.turn()
        it.turn()
        #expect(!it.socket.wantsTurn)
        #expect(try it.incoming.view().consumer.has(InConsumer.stall))
        try it.consume(3000)
        it.socket.doorbell()
        it.kernel.expect("receive 10 3000+0", returns: -EAGAIN)
        it.turn()
        it.kernel.finish()
    }

    // MARK: Sending

    @Test func aShortWriteGoesOnAtTheNextEdge() throws {
        let it = try ScriptedSocket.connected()
        try it.publish(1000)
        it.kernel.expect("send 10 1000+0", returns: 300)
        it.turn()
        #expect(!it.socket.wantsTurn)
        it.turn()
        it.socket.networkEvent(output)
        it.kernel.expect("send 10 700+0", returns: 700)
        it.turn()
        #expect(try it.outgoing.view().producer.has(OutProducer.idle))
        #expect(!it.socket.wantsTurn)
        it.kernel.finish()
    }

    @Test func aFailedSendBreaksOutAndTheEndOfInIsTheReset() throws {
        let it = try ScriptedSocket.connected()
        try it.publish(10)
        it.kernel.expect("send 10 10+0", returns: -ECONNRESET)
        it.turn()
        #expect(try it.outgoing.view().isBroken)
        #expect(it.status(StatusLine.error) == UInt32(ECONNRESET))
        #expect(it.state == .connected)
        it.kernel.expect("receive 10 4096+0", returns: 7)
        it.kernel.expect("token 20", returns: 1)
        it.turn()
        it.kernel.expect("receive 10 4089+0", returns: 0)
        it.kernel.expect("shutdown 20 2")
        it.turn()
        #expect(it.state == .reset)
        it.kernel.finish()
    }

    @Test func anOptionActsBetweenTheBytesWhereItWasAsked() throws {
        let it = try ScriptedSocket.connected()
        try it.publish(100)
        let off: [UInt8] = [0, 0, 0, 0]
        let ret = off.withUnsafeBytes { it.socket.setsockopt(level: 6, name: 3, value: $0, at: 100) }
        #expect(ret == 0)
        try it.publish(50)
        it.kernel.expect("send 10 100+0", returns: 100)
        it.turn()
        it.kernel.expect("setsockopt 10 6 3 [0, 0, 0, 0]")
        it.kernel.expect("send 10 50+0", returns: 50)
        it.turn()
        it.kernel.finish()
    }

    @Test func anUrgentByteWaitsForRoom() throws {
        let it = try ScriptedSocket.connected()
        it.kernel.expect("urgent 10 9", returns: -EAGAIN)
        #expect(it.socket.sendOutOfBand(9, at: 0) == 0)
        it.kernel.expect("urgent 10 9", returns: -EAGAIN)
        it.turn()
        it.turn()
        it.socket.networkEvent(output)
        it.kernel.expect("urgent 10 9", returns: 1)
        it.turn()
        it.kernel.finish()
    }

    @Test func aFillerThatIsLateIsTakenWhenItComes() throws {
        let it = try ScriptedSocket.connected()
        try it.publish(4096)
        // FULL stands, but the filler has not been sent: the copy that a signal handler interrupted will.
        SharedWord64(it.socket.indexes + OutConsumer.offset).formUnion(UInt64(OutConsumer.full))
        it.kernel.expect("send 10 4096+0", returns: 4096)
        it.kernel.expect("filler 20", returns: -EAGAIN)
        it.kernel.expect("rewatch 20 1")
        it.turn()
        it.kernel.expect("filler 20", returns: 256)
        it.kernel.expect("rewatch 20 0")
        it.socket.placeholderEvent(input)
        it.kernel.finish()
    }

    @Test func aSenderThatDiedLeavesNoFillerBehind() throws {
        for isSent in [false, true] {
            let it = try ScriptedSocket.connected()
            guard case .sendFiller = it.outgoing.block(it.outgoing.consumerValue()) else { return }
            if isSent { it.kernel.expect("filler 20", returns: 256) }
            it.kernel.expect("filler 20", returns: -EAGAIN)
            it.socket.settleDeadSender()
            let left = OutConsumer.full | OutConsumer.fillerPending | OutConsumer.owed
            #expect(!it.outgoing.consumerValue().has(left))
            it.kernel.finish()
        }
        // FULL of a ring that has drained: nobody would clear it.
        let it = try ScriptedSocket.connected()
        SharedWord64(it.socket.indexes + OutConsumer.offset).formUnion(UInt64(OutConsumer.full))
        it.kernel.expect("filler 20", returns: 256)
        it.socket.settleDeadSender()
        #expect(!it.outgoing.consumerValue().has(OutConsumer.full))
        it.kernel.finish()
    }

    @Test func aDeadSendersFillersWithoutEndEndTheSocket() throws {
        let it = try ScriptedSocket.connected()
        guard case .sendFiller = it.outgoing.block(it.outgoing.consumerValue()) else { return }
        for _ in 0..<64 { it.kernel.expect("filler 20", returns: 256) }
        it.kernel.expect("setsockopt 10 1 13 [1, 0, 0, 0, 0, 0, 0, 0]")
        it.kernel.expect("close 10")
        it.kernel.expect("token 20", returns: 1)
        it.kernel.expect("shutdown 20 2")
        it.socket.settleDeadSender()
        #expect(it.state == .reset)
        #expect(it.socket.violation != nil)
        it.kernel.finish()
    }

    @Test func aConnectRefusedAtOnceFreesThePlaceholderAndSaysNoMore() throws {
        let it = try ScriptedSocket()
        guard case .sendFiller = it.outgoing.block(it.outgoing.consumerValue()) else { return }
        try it.outgoing.fillerSent()
        it.kernel.expect("connect 10 family 2", returns: -ENETUNREACH)
        it.kernel.expect("filler 20", returns: 256)
        #expect(it.connect() == -ENETUNREACH)
        #expect(it.outgoing.consumerValue().flags == 0)
        it.kernel.finish()
    }

    // MARK: Connecting

    @Test func aConnectThatIsDecidedAtOnceIsAnsweredAtOnce() throws {
        let it = try ScriptedSocket()
        it.kernel.expect("connect 10 family 2", returns: -EINPROGRESS)
        it.kernel.expect("poll 10 4", returns: 4)
        // No error is pending that poll does not show.
        it.kernel.expect("watch 10 100")
        #expect(it.connect() == 0)
        #expect(it.state == .connected)
        #expect(try it.outgoing.view().isConnected)
        it.kernel.finish()
    }

    @Test func aConnectThatFailsAtOnceHasItsError() throws {
        for shown in [4 | 8, 4 | 16, 4 | 8 | 16] as [Int32] {
            let it = try ScriptedSocket()
            it.kernel.expect("connect 10 family 2", returns: -EINPROGRESS)
            it.kernel.expect("poll 10 4", returns: shown)
            it.kernel.expect("getsockopt 10 1 4", data: [111, 0, 0, 0])
            it.kernel.expect("connect 10 family 0")
            it.kernel.expect("token 20", returns: 1)
            #expect(it.connect() == -EINPROGRESS)
            #expect(it.state == .failedConnect)
            #expect(it.status(StatusLine.error) == 111)
            it.kernel.finish()
        }
    }

    @Test func aConnectThatFailsLaterShowsATokenAndCanBeTriedAgain() throws {
        let it = try ScriptedSocket()
        it.kernel.expect("connect 10 family 2", returns: -EINPROGRESS)
        it.kernel.expect("poll 10 4")
        it.kernel.expect("watch 10 100")
        #expect(it.connect() == -EINPROGRESS)
        #expect(it.state == .connecting)
        #expect(it.connect() == -EALREADY)
        it.kernel.expect("getsockopt 10 1 4", data: [111, 0, 0, 0])
        it.kernel.expect("connect 10 family 0")
        it.kernel.expect("token 20", returns: 1)
        it.socket.networkEvent(output | EpollEvents.error | EpollEvents.hangup)
        #expect(it.state == .failedConnect)
        #expect(it.status(StatusLine.error) == 111)
        #expect(try it.outgoing.view().isConnected)
        it.kernel.expect("connect 10 family 2")
        it.kernel.expect("rewatch 10 1")
        #expect(it.connect() == 0)
        it.kernel.finish()
    }

    private func unspecified(_ it: ScriptedSocket) -> Int32 {
        let address = (UInt64(0), UInt64(0))
        return withUnsafeBytes(of: address) { it.socket.disconnect($0) }
    }

    @Test func connectingToNothingLeavesAFreshSocketOpen() throws {
        let it = try ScriptedSocket()
        it.kernel.expect("connect 10 family 0")
        #expect(unspecified(it) == 0)
        #expect(it.state == .open)
        #expect(it.outgoing.consumerValue().flags == 0)
        it.kernel.expect("connect 10 family 2")
        it.kernel.expect("watch 10 100")
        #expect(it.connect() == 0)
        it.kernel.finish()
    }

    @Test func connectingToNothingDisconnectsAndTheSocketConnectsAgain() throws {
        let it = try ScriptedSocket.connected()
        try it.publish(100)
        it.kernel.expect("connect 10 family 0")
        it.kernel.expect("getsockopt 10 1 4", data: [104, 0, 0, 0])
        it.kernel.expect("token 20", returns: 1)
        #expect(unspecified(it) == 0)
        #expect(it.state == .failedConnect)
        #expect(it.status(StatusLine.error) == 104)
        it.turn()
        for offset in [InProducer.offset, InConsumer.offset, OutProducer.offset, OutConsumer.offset] {
            SharedWord64(it.socket.indexes + offset).store(0)
        }
        it.kernel.expect("connect 10 family 2")
        it.kernel.expect("rewatch 10 1")
        #expect(it.connect() == 0)
        it.turn()
        it.kernel.finish()
    }

    @Test func shutdownAbortsAConnectUnderWay() throws {
        for how in UInt32(0)...2 {
            let it = try ScriptedSocket()
            it.kernel.expect("connect 10 family 2", returns: -EINPROGRESS)
            it.kernel.expect("poll 10 4")
            it.kernel.expect("watch 10 100")
            #expect(it.connect() == -EINPROGRESS)
            it.kernel.expect("poll 10 4")
            it.kernel.expect("shutdown 10 \(how)")
            it.kernel.expect("getsockopt 10 1 4", data: [104, 0, 0, 0])
            it.kernel.expect("connect 10 family 0")
            it.kernel.expect("token 20", returns: 1)
            #expect(it.socket.shutdown(how: how, at: 0) == 0)
            #expect(it.state == .failedConnect)
            #expect(it.status(StatusLine.error) == 104)
            it.kernel.finish()
        }
    }

    @Test func aConnectWhosePlaceholderWasBlockedFreesIt() throws {
        let it = try ScriptedSocket()
        it.kernel.expect("connect 10 family 2", returns: -EINPROGRESS)
        it.kernel.expect("poll 10 4")
        it.kernel.expect("watch 10 100")
        _ = it.connect()
        guard case .sendFiller = it.outgoing.block(it.outgoing.consumerValue()) else { return }
        try it.outgoing.fillerSent()
        it.kernel.expect("getsockopt 10 1 4", data: [0, 0, 0, 0])
        it.kernel.expect("filler 20", returns: 256)
        it.socket.networkEvent(output)
        #expect(it.state == .connected)
        it.kernel.finish()
    }

    @Test func aKernelThatCannotWatchRefusesTheConnect() throws {
        let it = try ScriptedSocket()
        it.kernel.expect("connect 10 family 2")
        it.kernel.expect("watch 10 100", returns: -ENOSPC)
        #expect(it.connect() == -ENOSPC)
        #expect(it.state == .open)
        it.kernel.finish()
    }

    // MARK: Listening

    @Test func anArrivalThatIsGoneMakesNoToken() throws {
        let it = try ScriptedSocket()
        it.kernel.expect("listen 10 5")
        it.kernel.expect("watch 10 100")
        #expect(it.socket.listen(backlog: 5) == 0)
        it.kernel.expect("poll 10 1")
        it.socket.networkEvent(input)
        it.kernel.expect("poll 10 1", returns: 1)
        it.kernel.expect("token 20", returns: 1)
        it.socket.networkEvent(input)
        #expect(it.incoming.producerValue().index == 1)
        it.kernel.finish()
    }

    @Test func anAcceptWithoutDescriptorsLeavesTheConnectionAndItsToken() throws {
        let it = try ScriptedSocket()
        it.kernel.expect("listen 10 5")
        it.kernel.expect("watch 10 100")
        _ = it.socket.listen(backlog: 5)
        var length: UInt32 = 128
        var buffer = [UInt8](repeating: 0, count: 128)
        it.kernel.expect("accept 10", returns: -EINTR)
        it.kernel.expect("accept 10", returns: -EMFILE)
        it.kernel.expect("poll 10 1", returns: 1)
        let (result, empty, arrivals) = it.socket.accept(address: &buffer, length: &length)
        #expect(result == -EMFILE)
        #expect(!empty)
        #expect(arrivals == 0)
        it.kernel.finish()
    }

    // MARK: Closing

    private func expectRelease(_ it: ScriptedSocket) {
        it.kernel.expect("unwatch 20")
        it.kernel.expect("close 20")
    }

    private func expectClose(_ it: ScriptedSocket) {
        it.kernel.expect("close 10")
    }

    @Test func unreadBytesOfTheKernelResetToo() throws {
        let it = try ScriptedSocket.connected()
        expectRelease(it)
        it.kernel.expect("ioctl 10 \(IoctlRequest.inputQueue)", data: [3])
        it.kernel.expect("setsockopt 10 1 13 [1, 0, 0, 0, 0, 0, 0, 0]")
        expectClose(it)
        it.socket.placeholderEvent(EpollEvents.hangup)
        #expect(it.socket.phase == .gone)
        #expect(it.status(StatusLine.generation) == 1)
        it.kernel.finish()
    }

    @Test("A reset sends no more than stood in the ring, whatever a copy of it publishes meanwhile")
    func theRestBeforeAReset() throws {
        let it = try ScriptedSocket.connected()
        try it.publish(1000)
        expectRelease(it)
        it.kernel.expect("ioctl 10 \(IoctlRequest.inputQueue)", data: [3])
        it.kernel.expect("send 10 1000+0", returns: 1000) { try? it.publish(1000) }
        it.kernel.expect("setsockopt 10 1 13 [1, 0, 0, 0, 0, 0, 0, 0]")
        expectClose(it)
        it.socket.placeholderEvent(EpollEvents.hangup)
        #expect(it.socket.phase == .gone)
        it.kernel.finish()
    }

    @Test func aReadShutOfTheProgramsEndIsNoHangup() throws {
        let it = try ScriptedSocket.connected()
        it.socket.placeholderEvent(readHangup)
        #expect(it.socket.phase == .connected)
        it.kernel.finish()
    }

    @Test func theEndIsThePlaceholdersOwnOnceSomebodyWantsIt() throws {
        let it = try ScriptedSocket.connected()
        it.socket.networkEvent(input | readHangup)
        it.kernel.expect("receive 10 4096+0", returns: 0)
        it.kernel.expect("token 20", returns: 1)
        it.turn()
        #expect(try it.incoming.view().endOfFile)
        it.socket.doorbell()
        it.turn()
        it.setFlags(StatusLine.Flag.endWanted)
        it.kernel.expect("shutdown 20 1")
        it.socket.doorbell()
        it.turn()
        it.socket.doorbell()
        it.turn()
        it.kernel.finish()
    }

    @Test func aHangupBehindAnEndThatWasNotShownIsOne() throws {
        let it = try ScriptedSocket.connected()
        it.socket.networkEvent(input | readHangup)
        it.kernel.expect("receive 10 4096+0", returns: 0)
        it.kernel.expect("token 20", returns: 1)
        it.turn()
        it.socket.placeholderEvent(readHangup)
        #expect(it.socket.phase == .connected)
        expectRelease(it)
        it.kernel.expect("ioctl 10 \(IoctlRequest.inputQueue)", data: [0])
        expectClose(it)
        it.socket.placeholderEvent(EpollEvents.hangup | EpollEvents.error)
        #expect(it.socket.phase == .gone)
        it.kernel.finish()
    }

    @Test func theDeathOfWhoMayHaveTakenTheLastTokenShowsTheEndItself() throws {
        let it = try ScriptedSocket.connected()
        it.socket.networkEvent(input | readHangup)
        it.kernel.expect("receive 10 4096+0", returns: 0)
        it.kernel.expect("token 20", returns: 1)
        it.turn()
        it.kernel.expect("shutdown 20 1")
        it.socket.settleDeadReader()
        it.kernel.finish()
    }

    @Test func theServicesOwnShutdownIsNoHangupWhileItsTokenLies() throws {
        let it = try ScriptedSocket.connected()
        it.setFlags(StatusLine.Flag.endWanted)
        it.socket.networkEvent(input | readHangup)
        it.kernel.expect("receive 10 4096+0", returns: 0)
        it.kernel.expect("token 20", returns: 1)
        it.kernel.expect("shutdown 20 1")
        it.turn()
        it.kernel.expect("ioctl 20 \(IoctlRequest.outputQueue)", data: [200])
        it.socket.placeholderEvent(EpollEvents.hangup | readHangup)
        #expect(it.socket.phase == .connected)
        expectRelease(it)
        it.kernel.expect("ioctl 10 \(IoctlRequest.inputQueue)", data: [0])
        expectClose(it)
        it.socket.placeholderEvent(EpollEvents.hangup | EpollEvents.error)
        #expect(it.socket.phase == .gone)
        it.kernel.finish()
    }

    @Test func aDrainWithoutProgressIsGivenUpAndOneWithProgressIsNot() throws {
        let it = try ScriptedSocket.connected()
        try it.publish(1000)
        expectRelease(it)
        it.kernel.expect("ioctl 10 \(IoctlRequest.inputQueue)", data: [0])
        it.socket.placeholderEvent(EpollEvents.hangup)
        #expect(it.socket.phase == .draining)
        // What a hostile copy publishes later is not sent.
        try it.publish(1000)
        it.kernel.time = 59_000_000_000
        it.kernel.expect("send 10 1000+0", returns: 400)
        it.turn()
        #expect(it.socket.drainDeadline(now: 61_000_000_000) != nil)
        it.kernel.expect("setsockopt 10 1 13 [1, 0, 0, 0, 0, 0, 0, 0]")
        expectClose(it)
        #expect(it.socket.drainDeadline(now: 119_000_000_000) == nil)
        #expect(it.socket.phase == .gone)
        it.kernel.finish()
    }

    @Test("A linger that nobody is left to wait for is no longer than a drain")
    func aLingerWithoutASession() throws {
        let it = try ScriptedSocket.connected()
        let day: [UInt8] = [1, 0, 0, 0, 0x80, 0x51, 1, 0]
        it.kernel.expect("setsockopt 10 1 13 \(day)")
        #expect(day.withUnsafeBytes { it.socket.setsockopt(level: 1, name: 13, value: $0, at: 0) } == 0)
        it.socket.references = [SocketReference(session: 1, id: 1)]
        expectRelease(it)
        it.kernel.expect("ioctl 10 \(IoctlRequest.inputQueue)", data: [0])
        it.socket.placeholderEvent(EpollEvents.hangup)
        it.kernel.expect("shutdown 10 1")
        it.kernel.expect("ioctl 10 \(IoctlRequest.outputQueue)", data: [1])
        it.turn()
        #expect(it.socket.drainDeadline(now: 1) == 86_400_000_000_000)
        it.socket.references = []
        #expect(it.socket.drainDeadline(now: 1) == 60_000_000_000)
        it.kernel.expect("setsockopt 10 1 13 [0, 0, 0, 0, 0, 0, 0, 0]")
        expectClose(it)
        #expect(it.socket.drainDeadline(now: 60_000_000_000) == nil)
        it.kernel.finish()
    }

    @Test func aDrainPerformsWhatWaitsBehindItsLastByteAndEnds() throws {
        let it = try ScriptedSocket.connected()
        try it.publish(1000)
        it.kernel.expect("shutdown 20 0")
        #expect(it.socket.shutdown(how: 1, at: 1000) == 0)
        expectRelease(it)
        it.kernel.expect("ioctl 10 \(IoctlRequest.inputQueue)", data: [0])
        it.socket.placeholderEvent(EpollEvents.hangup)
        it.kernel.expect("send 10 1000+0", returns: 1000)
        it.turn()
        it.kernel.expect("shutdown 10 1")
        expectClose(it)
        it.turn()
        #expect(it.socket.phase == .gone)
        it.kernel.finish()
    }
}
