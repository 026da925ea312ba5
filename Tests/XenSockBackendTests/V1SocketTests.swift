import Glibc
import Testing
import XenSockRing
import XenSockWire

@testable import XenSockBackend

/// The state machine of `draft1` and `pvcalls1`, call by call.
@Suite struct V1SocketTests {
    static let dialects: [Dialect] = [.pvcalls1, .draft1]

    @Test(arguments: dialects) func aConnectIsAnsweredWhenItIsDecided(_ dialect: Dialect) {
        for (error, ret) in [(UInt8(0), Int32(0)), (111, -111)] {
            let scripted = ScriptedV1Socket(dialect)
            scripted.kernel.expect("socket 2 1 0", returns: 10)
            scripted.kernel.expect("connect 10 family 2", returns: -115)
            scripted.kernel.expect("poll 10 4")
            scripted.kernel.expect("watch 10 100")
            #expect(scripted.connect() == nil)
            #expect(scripted.channel.take() == ["connecting 0"])
            #expect(scripted.connect() == -114)
            scripted.kernel.expect("getsockopt 10 1 4", data: [error, 0, 0, 0])
            if ret == 0 {
                scripted.kernel.expect("rewatch 10 1")
                scripted.kernel.expect("setsockopt 10 6 1 [1, 0, 0, 0]")
            } else {
                scripted.kernel.expect("connect 10 family 0")
            }
            scripted.socket.networkEvent(EpollEvents.output)
            #expect(scripted.socket.answers.map(\.response.id.rawValue) == [0xffff_8800_1234_5678])
            #expect(scripted.answers() == [ret])
            #expect(scripted.channel.isMapped == (ret == 0))
            scripted.kernel.finish()
        }
    }

    @Test(arguments: dialects) func aRingThatCannotBeMappedFailsTheConnect(_ dialect: Dialect) {
        let scripted = ScriptedV1Socket(dialect)
        scripted.channel.refuses = true
        #expect(scripted.connect() == -22)
        scripted.kernel.finish()
    }

    @Test(arguments: dialects) func bytesGoAroundTheEndOfTheIndexes(_ dialect: Dialect) {
        let scripted = ScriptedV1Socket.connected(dialect, at: 0xffff_fffd)
        let input = scripted.channel.ring.input
        let output = scripted.channel.ring.output
        scripted.socket.readable = true
        scripted.kernel.expect("receive 10 3+\(input.size - 3)", returns: 3, data: [1, 2, 3])
        scripted.turn()
        #expect(input.producer.load() == 0)
        #expect(Array(input.bytes(at: 0xffff_fffd, count: 3).first) == [1, 2, 3])
        scripted.publish(5)
        scripted.kernel.expect("send 10 3+2", returns: 5)
        scripted.turn()
        #expect(output.consumer.load() == 2)
        #expect(scripted.channel.take() == ["published", "room"])
        scripted.kernel.finish()
    }

    @Test(arguments: dialects) func aFullRingIsLeftUntilTheFrontendConsumed(_ dialect: Dialect) {
        let scripted = ScriptedV1Socket.connected(dialect)
        let size = scripted.channel.ring.input.size
        scripted.socket.produced = size
        scripted.channel.ring.input.producer.store(size)
        scripted.socket.readable = true
        scripted.turn()
        #expect(!scripted.socket.wantsTurn)
        scripted.channel.ring.input.consumer.store(10)
        scripted.socket.notified()
        scripted.kernel.expect("receive 10 10+0", returns: -11)
        scripted.turn()
        scripted.kernel.finish()
        #expect(scripted.channel.take() == [])
    }

    @Test(arguments: dialects) func theEndComesBehindTheBytes(_ dialect: Dialect) {
        let scripted = ScriptedV1Socket.connected(dialect)
        let size = scripted.channel.ring.input.size
        scripted.kernel.expect("receive 10 \(size)+0", returns: 4)
        scripted.kernel.expect("receive 10 \(size - 4)+0")
        scripted.socket.networkEvent(EpollEvents.input | EpollEvents.readHangup)
        scripted.turn()
        #expect(scripted.channel.ring.input.error.load() == 0)
        scripted.turn()
        #expect(scripted.channel.ring.input.error.load() == UInt32(bitPattern: -107))
        #expect(scripted.channel.ring.output.error.load() == 0)
        #expect(scripted.channel.take() == ["published", "published", "end"])
        scripted.kernel.finish()
    }

    @Test(arguments: dialects) func aResetSetsBothWords(_ dialect: Dialect) {
        let scripted = ScriptedV1Socket.connected(dialect)
        let ring = scripted.channel.ring
        scripted.kernel.expect("receive 10 \(ring.input.size)+0", returns: -104)
        scripted.socket.networkEvent(EpollEvents.error | EpollEvents.hangup)
        scripted.turn()
        #expect(ring.input.error.load() == UInt32(bitPattern: -104))
        #expect(ring.output.error.load() == UInt32(bitPattern: -104))
        #expect(scripted.channel.take() == ["reset 104", "published", "room", "end"])
        scripted.kernel.finish()
    }

    @Test(arguments: dialects) func anErrorOfSendingLeavesWhatThePeerSent(_ dialect: Dialect) {
        let scripted = ScriptedV1Socket.connected(dialect)
        let ring = scripted.channel.ring
        scripted.publish(7)
        scripted.socket.notified()
        scripted.kernel.expect("send 10 7+0", returns: -32)
        scripted.turn()
        #expect(ring.output.error.load() == UInt32(bitPattern: -32))
        #expect(ring.input.error.load() == 0)
        scripted.kernel.expect("receive 10 \(ring.input.size)+0", returns: 2)
        scripted.turn()
        scripted.kernel.expect("receive 10 \(ring.input.size - 2)+0")
        scripted.turn()
        #expect(ring.input.error.load() == UInt32(bitPattern: -107))
        scripted.kernel.finish()
    }

    @Test(arguments: dialects) func indexesBeyondTheRingEndTheSocketOnly(_ dialect: Dialect) {
        for isInput in [true, false] {
            let scripted = ScriptedV1Socket.connected(dialect)
            let ring = scripted.channel.ring
            if isInput {
                ring.input.consumer.store(1)
                scripted.socket.readable = true
            } else {
                ring.output.producer.store(ring.output.size + 1)
            }
            scripted.kernel.expect("setsockopt 10 1 13 [1, 0, 0, 0, 0, 0, 0, 0]")
            scripted.kernel.expect("unwatch 10")
            scripted.kernel.expect("close 10")
            scripted.turn()
            #expect(scripted.socket.violation != nil)
            #expect(ring.input.error.load() == UInt32(bitPattern: -5))
            #expect(ring.output.error.load() == UInt32(bitPattern: -5))
            #expect(scripted.channel.take() == ["reset 5", "published", "room"])
            scripted.socket.release()
            #expect(!scripted.channel.isMapped)
            scripted.kernel.finish()
        }
    }

    @Test(arguments: dialects) func releaseTakesOutAndSendsItAfterwards(_ dialect: Dialect) {
        let scripted = ScriptedV1Socket.connected(dialect, at: 0xffff_fffc)
        scripted.publish(10)
        scripted.kernel.expect("ioctl 10 21531", data: [0])
        scripted.socket.release()
        #expect(!scripted.channel.isMapped)
        #expect(scripted.channel.take() == ["close"])
        scripted.kernel.expect("send 10 10+0", returns: 4)
        scripted.turn()
        scripted.kernel.expect("send 10 6+0", returns: -11)
        scripted.turn()
        #expect(!scripted.socket.wantsTurn)
        scripted.kernel.expect("send 10 6+0", returns: 6)
        scripted.kernel.expect("unwatch 10")
        scripted.kernel.expect("close 10")
        scripted.socket.networkEvent(EpollEvents.output)
        scripted.turn()
        #expect(scripted.socket.phase == .gone)
        scripted.kernel.finish()
    }

    @Test(arguments: dialects) func bytesNobodyReadMakeTheReleaseAReset(_ dialect: Dialect) {
        let scripted = ScriptedV1Socket.connected(dialect)
        scripted.kernel.expect("ioctl 10 21531", data: [1])
        scripted.kernel.expect("setsockopt 10 1 13 [1, 0, 0, 0, 0, 0, 0, 0]")
        scripted.kernel.expect("unwatch 10")
        scripted.kernel.expect("close 10")
        scripted.socket.release()
        scripted.kernel.finish()
    }

    @Test(arguments: dialects) func whatWasSentGoesOutBeforeTheReset(_ dialect: Dialect) {
        let scripted = ScriptedV1Socket.connected(dialect)
        scripted.publish(100)
        scripted.kernel.expect("ioctl 10 21531", data: [1])
        scripted.kernel.expect("send 10 100+0", returns: 60)
        scripted.kernel.expect("send 10 40+0", returns: 40)
        scripted.kernel.expect("setsockopt 10 1 13 [1, 0, 0, 0, 0, 0, 0, 0]")
        scripted.kernel.expect("unwatch 10")
        scripted.kernel.expect("close 10")
        scripted.socket.release()
        scripted.kernel.finish()
    }

    @Test(arguments: dialects) func aPeerThatTakesNothingIsGivenUp(_ dialect: Dialect) {
        let scripted = ScriptedV1Socket.connected(dialect)
        scripted.publish(1)
        scripted.kernel.expect("ioctl 10 21531", data: [0])
        scripted.socket.release()
        scripted.socket.checkDrain(now: ScriptedV1Socket.Socket.drainLimit - 1)
        #expect(scripted.socket.phase == .draining)
        scripted.kernel.expect("setsockopt 10 1 13 [1, 0, 0, 0, 0, 0, 0, 0]")
        scripted.kernel.expect("unwatch 10")
        scripted.kernel.expect("close 10")
        scripted.socket.checkDrain(now: ScriptedV1Socket.Socket.drainLimit)
        #expect(scripted.socket.phase == .gone)
        scripted.kernel.finish()
    }

    @Test func listenGivesTheFailureOfBind() {
        let scripted = ScriptedV1Socket(.pvcalls1)
        #expect(scripted.socket.listen(backlog: 1) == -22)
        scripted.kernel.expect("socket 2 1 0", returns: 10)
        scripted.kernel.expect("setsockopt 10 1 2 [1, 0, 0, 0]")
        scripted.kernel.expect("bind 10", returns: -98)
        #expect(scripted.bind() == -98)
        #expect(scripted.socket.listen(backlog: 1) == -98)
        scripted.kernel.finish()
    }

    @Test(arguments: dialects) func acceptAndPollAreHeldUntilAConnectionComes(_ dialect: Dialect) {
        let scripted = ScriptedV1Socket.listening(dialect)
        let other = ScriptedV1Socket(dialect)
        scripted.kernel.expect("poll 10 1")
        #expect(scripted.socket.poll(scripted.held()) == nil)
        #expect(scripted.socket.poll(scripted.held()) == -4)
        let new = ScriptedV1Socket.Socket(
            kernel: scripted.kernel, epoll: 3, dialect: dialect, channel: other.channel, networkData: 101)
        scripted.kernel.expect("accept 10", returns: -11)
        func accept(_ socket: ScriptedV1Socket.Socket) -> Int32? {
            scripted.socket.accept(into: socket, scripted.reference, Draft1Pages(), 2, scripted.held())
        }
        #expect(accept(new) == nil)
        #expect(accept(new) == -4)
        #expect(scripted.answers() == [])
        scripted.kernel.expect("accept 10", returns: 11)
        scripted.kernel.expect("watch 11 101")
        scripted.kernel.expect("setsockopt 11 6 1 [1, 0, 0, 0]")
        scripted.kernel.expect("poll 10 1", returns: 1)
        scripted.socket.networkEvent(EpollEvents.input)
        #expect(scripted.answers() == [0, 0])
        #expect(new.phase == .connected)
        #expect(scripted.channel.take() == ["arrival"])
        scripted.kernel.finish()
        #expect(accept(new) == -17)
    }

    @Test(arguments: dialects) func whatAListenerHoldsIsAnsweredBeforeItsRelease(_ dialect: Dialect) {
        let scripted = ScriptedV1Socket.listening(dialect)
        let other = ScriptedV1Socket(dialect)
        let new = ScriptedV1Socket.Socket(
            kernel: scripted.kernel, epoll: 3, dialect: dialect, channel: other.channel, networkData: 101)
        scripted.kernel.expect("poll 10 1")
        #expect(scripted.socket.poll(scripted.held()) == nil)
        scripted.kernel.expect("accept 10", returns: -11)
        #expect(scripted.socket.accept(into: new, scripted.reference, Draft1Pages(), 2, scripted.held()) == nil)
        scripted.kernel.expect("unwatch 10")
        scripted.kernel.expect("close 10")
        scripted.socket.release()
        #expect(scripted.answers() == [-9, -9])
        #expect(!other.channel.isMapped)
        #expect(new.phase == .open)
        scripted.kernel.finish()
    }

    @Test(arguments: dialects) func anAcceptWhoseSocketIsReleasedIsAnswered(_ dialect: Dialect) {
        let scripted = ScriptedV1Socket.listening(dialect)
        let other = ScriptedV1Socket(dialect)
        scripted.kernel.expect("accept 10", returns: -11)
        #expect(
            scripted.socket.accept(into: other.socket, scripted.reference, Draft1Pages(), 2, scripted.held()) == nil)
        other.socket.release()
        #expect(scripted.answers() == [-9])
        #expect(!other.channel.isMapped)
        // The next one is held as if there had been none.
        scripted.kernel.expect("poll 10 1")
        #expect(scripted.socket.poll(scripted.held()) == nil)
        scripted.kernel.finish()
    }

    @Test(arguments: dialects) func theEndOfASessionForgetsWhatItAskedFor(_ dialect: Dialect) {
        let scripted = ScriptedV1Socket.listening(dialect)
        scripted.kernel.expect("poll 10 1")
        #expect(scripted.socket.poll(scripted.held(session: 3)) == nil)
        scripted.socket.forget(session: 4, knew: true)
        #expect(scripted.channel.take() == [])
        scripted.socket.forget(session: 3, knew: false)
        #expect(scripted.channel.take() == ["poll lost"])
        // Without a POLL held, who died may have been about to send one.
        scripted.socket.forget(session: 5, knew: false)
        #expect(scripted.channel.take() == [])
        scripted.socket.forget(session: 6, knew: true)
        #expect(scripted.channel.take() == ["poll lost"])
        scripted.kernel.expect("poll 10 1")
        #expect(scripted.socket.poll(scripted.held()) == nil)
        scripted.kernel.finish()
    }

    @Test func requestsInTheWrongStateAreRefused() {
        let scripted = ScriptedV1Socket.connected(.pvcalls1)
        #expect(scripted.connect() == -106)
        #expect(scripted.bind() == -22)
        #expect(scripted.socket.listen(backlog: 1) == -22)
        #expect(scripted.socket.poll(scripted.held()) == -22)
        let other = ScriptedV1Socket(.pvcalls1)
        #expect(
            scripted.socket.accept(into: other.socket, scripted.reference, Draft1Pages(), 2, scripted.held()) == -22)
        scripted.kernel.finish()
    }
}
