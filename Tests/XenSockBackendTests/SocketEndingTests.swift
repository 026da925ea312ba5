import Glibc
import Testing
import XenSockRing
import XenSockWire

@testable import XenSockBackend

private let input = EpollEvents.input
private let readHangup = EpollEvents.readHangup

/// How sockets end, against a scripted kernel: what SocketStateTests is to bytes.
@Suite struct SocketEndingTests {
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
