import Testing

@testable import XenSockBackend

/// What a program leaves in `out` when the memory of its socket goes away (docs/PROTOCOL.md, 3.7).
@Suite struct LeftBytesTests {
    @Test func moreThanMayBeCopiedIsReset() throws {
        let scripted = try left(bytes: 100)
        scripted.kernel.expect("setsockopt 10 1 13 [1, 0, 0, 0, 0, 0, 0, 0]")
        scripted.kernel.expect("close 10")
        #expect(scripted.socket.leaveMemory(room: 99) == 0)
        #expect(scripted.socket.phase == .gone)
        scripted.kernel.finish()
    }

    @Test func whatIsCopiedDoesNotNeedTheMemory() throws {
        var scripted: ScriptedSocket? = try left(bytes: 100)
        let socket = try #require(scripted?.socket)
        let kernel = socket.kernel
        #expect(socket.leaveMemory(room: 100) == 100)
        scripted = nil
        kernel.expect("send 10 100+0", returns: 40)
        socket.turn()
        kernel.expect("send 10 60+0", returns: 60)
        socket.networkEvent(EpollEvents.output)
        socket.turn()
        kernel.expect("close 10")
        socket.turn()
        #expect(socket.phase == .gone)
        kernel.finish()
    }

    /// A socket whose program is gone and left bytes in `out`.
    private func left(bytes: UInt32) throws -> ScriptedSocket {
        let scripted = try ScriptedSocket.connected()
        try scripted.publish(bytes)
        scripted.kernel.expect("unwatch 20")
        scripted.kernel.expect("close 20")
        scripted.kernel.expect("ioctl 10 21531")
        scripted.socket.hangUp()
        #expect(scripted.socket.phase == .draining)
        return scripted
    }
}
