import Glibc
import Testing
import XenSockRing
import XenSockWire

@testable import XenSockBackend

private let input = EpollEvents.input
private let output = EpollEvents.output

/// Connecting and listening, against a scripted kernel: what SocketStateTests is to bytes.
@Suite struct SocketConnectingTests {
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
}
