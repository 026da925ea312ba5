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

    @Test func bytesBehindWhichMoreIsToComeAreHeldBackUnlessMoreHasCome() throws {
        let it = try ScriptedSocket.connected()
        try it.publish(1000, more: true)
        it.kernel.expect("send held 10 1000+0", returns: 300)
        it.turn()
        it.socket.networkEvent(output)
        it.kernel.expect("send held 10 700+0", returns: 700)
        it.turn()
        #expect(try it.outgoing.view().producer.has(OutProducer.idle))
        try it.publish(10, more: true)
        try it.publish(5)
        it.socket.doorbell()
        it.kernel.expect("send 10 15+0", returns: 15)
        it.turn()
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
}
