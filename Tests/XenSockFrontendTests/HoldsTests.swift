import CXenSockSystem
import Testing
import XenSockPlatform

@testable import XenSockFrontend

/// What a call that waits keeps of a descriptor that another thread closes.
struct HoldsTests {
    private let pair = Kernel.socketPair(type: Int32(SOCK_STREAM.rawValue))
    /// A thread that is there and is not this one: the first of the process.
    private let other = UInt32(bitPattern: Kernel.processID())

    private func isHungUp() -> Bool { xs_poll(pair.second, Int16(POLLIN), 0) & Int(POLLHUP) != 0 }

    @Test func aClosedDescriptorLivesOnAsADuplicateUntilTheCallEnds() {
        defer { _ = Kernel.close(pair.second) }
        let slot = Holds.begin(pair.first, thread: other)
        #expect(slot >= 0)
        #expect(Holds.descriptor(slot, pair.first) == pair.first)
        Holds.keep(pair.first)
        _ = Kernel.close(pair.first)
        let duplicate = Holds.descriptor(slot, pair.first)
        #expect(duplicate != pair.first && duplicate >= 0)
        #expect(!isHungUp())
        #expect(Holds.end(slot))
        #expect(isHungUp())
    }

    @Test func withoutACloseNothingIsLeft() {
        defer { _ = Kernel.close(pair.second) }
        let slot = Holds.begin(pair.first, thread: other)
        #expect(!Holds.end(slot))
        Holds.keep(pair.first)
        _ = Kernel.close(pair.first)
        #expect(isHungUp())
    }

    @Test func theCallOfAThreadThatEndedKeepsNothing() {
        defer { _ = Kernel.close(pair.second) }
        // Beyond the largest thread id.
        #expect(Holds.begin(pair.first, thread: 0x7fff_fff0) >= 0)
        Holds.keep(pair.first)
        _ = Kernel.close(pair.first)
        #expect(isHungUp())
    }

    @Test func aCallOfTheClosingThreadKeepsNothing() {
        defer { _ = Kernel.close(pair.second) }
        let slot = Holds.begin(pair.first, thread: UInt32(bitPattern: Kernel.threadID()))
        Holds.keep(pair.first)
        _ = Kernel.close(pair.first)
        #expect(isHungUp())
        #expect(!Holds.end(slot))
    }
}
