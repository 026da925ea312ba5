import Foundation
import Synchronization
import Testing
import XenSockWire

@Suite("Hostile peers")
struct HostileTests {
    /// Bytes of noise, with a command that exists and a length near its bound every other time.
    static func spoil(_ slot: SharedMemory, _ noise: inout Noise) {
        for offset in stride(from: 0, to: slot.size, by: 8) {
            slot.set(offset, noise.next())
        }
        let shape = noise.next()
        if shape & 1 == 0 { slot.set(4, UInt32(noise.next() % 8) + (shape & 2 == 0 ? 0 : 64)) }
        if shape & 4 == 0 { slot.set(0, UInt32(noise.next() % 34)) }
        if shape & 8 == 0 { slot.set(44, UInt32(noise.next() % 140)) }
        if shape & 16 == 0 { slot.set(24, UInt32(noise.next() % 520)) }
        if shape & 32 == 0 { slot.set(8, UInt32(0)) }
    }

    @Test("Garbage in a request never traps, and no length leaves its bounds", arguments: dialects)
    func garbageRequests(dialect: Dialect) {
        var noise = Noise(state: 0x5eed)
        let slot = SharedMemory.slot(dialect)
        let arguments = SharedMemory.arguments()
        var pages = Draft1Pages()
        var (decoded, refused) = (0, 0)
        for round in 0..<20_000 {
            Self.spoil(slot, &noise)
            let area = round % 3 == 0 ? nil : arguments.area
            let incoming = RequestCodec(dialect).decode(from: slot.base, arguments: area, pages: &pages)
            guard case .success(let request) = incoming.content else {
                refused += 1
                #expect(incoming.content == .failure(.EINVAL))
                continue
            }
            decoded += 1
            if let address = incoming.address {
                #expect(address.length <= (dialect == .xensock2 && area != nil ? 128 : 28))
                #expect(address.withUnsafeBytes { $0.count } == address.length)
            }
            switch request {
            case .getsockopt(_, _, _, let length), .setsockopt(_, _, _, let length, _): #expect(length <= 512)
            case .unknown(let command, _): #expect(Command(number: command, in: dialect) == nil)
            default: break
            }
        }
        #expect(decoded > 1000)
        #expect(refused > 1000)
    }

    @Test("Garbage in a response never traps, and no length leaves its bounds", arguments: dialects)
    func garbageResponses(dialect: Dialect) {
        var noise = Noise(state: 0xbad_5eed)
        let slot = SharedMemory.slot(dialect)
        let arguments = SharedMemory.arguments()
        var payloads = 0
        for round in 0..<20_000 {
            Self.spoil(slot, &noise)
            let area = round % 3 == 0 ? nil : arguments.area
            let response = RequestCodec(dialect).decodeResponse(from: slot.base, arguments: area)
            #expect(response.ret <= 0 && response.ret >= -133)
            if response.payload != .none { payloads += 1 }
            if let address = response.address { #expect(address.length <= 128) }
            if case .length(let length) = response.payload { #expect(length <= 512) }
        }
        #expect(dialect == .xensock2 ? payloads > 300 : payloads == 0)
    }

    /// Runs `flip` in a second thread for as long as `body` runs.
    static func whileFlipping(_ flip: @escaping @Sendable (UInt64) -> Void, _ body: () -> Void) {
        let stop = Flag()
        let thread = Thread {
            var round: UInt64 = 0
            while !stop.isSet {
                flip(round)
                round &+= 1
            }
            stop.finish()
        }
        thread.start()
        body()
        stop.set()
        stop.wait()
    }

    @Test("A length that changes while it is read is either bounded or refused")
    func changingLength() {
        let slot = SharedMemory.slot(.xensock2)
        let arguments = SharedMemory.arguments()
        let codec = RequestCodec(.xensock2)
        let lengths: [UInt32] = [16, 28, 100, 128, 129, 0x7fff_ffff, .max]
        slot.set(0, UInt32(31))
        slot.set(4, UInt32(1))
        var seen = Set<Int>()
        Self.whileFlipping { round in
            // The length shares its word with the address's last four bytes.
            slot.store(40, UInt64(lengths[Int(round % 7)]) << 32)
            arguments.store(31 * 512 + Int(round % 16) * 8, round)
        } _: {
            let end = Date() + 5
            while seen.count < 5, Date() < end {
                for _ in 0..<2000 {
                    let incoming = codec.decode(from: slot.base, arguments: arguments.area)
                    let length = incoming.address?.length ?? -1
                    if seen.insert(length).inserted {
                        #expect([16, 28, 100, 128, -1].contains(length))
                    }
                    if let address = incoming.address {
                        #expect(
                            address
                                == address.withUnsafeBytes { SocketAddress(bytes: $0.baseAddress!, length: $0.count) })
                    }
                }
            }
        }
        #expect(seen == [16, 28, 100, 128, -1], "the other thread was seen at work")
    }

    @Test("A command that changes while it is read gives one of the two requests, never a mixture")
    func changingCommand() {
        let slot = SharedMemory(size: 64, filledWith: 0)
        slot.set(4, UInt32(3))
        let codec = RequestCodec(.pvcalls1)
        var seen: [UInt32: Int] = [:]
        var mixtures = 0
        Self.whileFlipping { round in
            slot.store(0, round & 1 == 0 ? 4 << 32 : 3 << 32)
        } _: {
            let end = Date() + 5
            while seen.count < 2, Date() < end {
                for _ in 0..<2000 {
                    let incoming = codec.decode(from: slot.base)
                    seen[incoming.command, default: 0] += 1
                    switch (incoming.command, incoming.content) {
                    case (4, .success(.listen)), (3, .success(.bind)): break
                    default: mixtures += 1
                    }
                }
            }
        }
        #expect(mixtures == 0)
        #expect(Set(seen.keys) == [3, 4], "the other thread was seen at work")
    }

    @Test("An argument slot is read and written only where it is")
    func argumentSlots() {
        let arguments = SharedMemory.arguments()
        let area = arguments.area
        #expect(area.slot(0) == arguments.base)
        #expect(area.slot(31) == arguments.base + 31 * 512)
        #expect(area.slot(32) == nil)
        #expect(area.slot(.max) == nil)
        let value = pattern(512)
        var back = [UInt8](repeating: 0, count: 513)
        #expect(value.withUnsafeBytes { area.write(31, from: $0.baseAddress!, count: 512) })
        #expect(back.withUnsafeMutableBytes { area.read(31, into: $0.baseAddress!, count: 512) })
        #expect(Array(back[..<512]) == value && back[512] == 0)
        for (number, count) in [(UInt32(31), 513), (31, -1), (32, 1)] {
            #expect(!back.withUnsafeMutableBytes { area.read(number, into: $0.baseAddress!, count: count) })
            #expect(!value.withUnsafeBytes { area.write(number, from: $0.baseAddress!, count: count) })
        }
        #expect(arguments.bytes[..<(31 * 512)].allSatisfy { $0 == 0xaa })
    }
}

/// Tells a thread to end, and that it has.
final class Flag: @unchecked Sendable {
    private let flag = Atomic<Bool>(false)
    private let done = DispatchSemaphore(value: 0)

    var isSet: Bool { flag.load(ordering: .relaxed) }
    func set() { flag.store(true, ordering: .relaxed) }
    func finish() { done.signal() }
    func wait() { done.wait() }
}

extension SharedMemory {
    /// Changes the aligned word at `offset` as a peer does, whole.
    func store(_ offset: Int, _ value: UInt64) {
        (base + offset).assumingMemoryBound(to: Atomic<UInt64>.self).pointee.store(value, ordering: .relaxed)
    }
}
