import CXenSockSystem
import XenSockPlatform
import XenSockRing
import XenSockWire

/// One socket's shared memory, as two processes map it: a small arena, a status line, a data ring.
struct SharedSocket {
    static let order: UInt32 = 6
    static let half: UInt32 = 2048 << order
    static let port: UInt32 = 5
    /// Bytes each way.
    static let total = 64 << 20
    private static let line = 2 * 4096
    private static let ring = 3 * 4096
    static let size = ring + 4096 + 2 * Int(half)

    let base: UnsafeMutableRawPointer

    /// Maps the memfd, or ends the process.
    init(descriptor: Int32) {
        guard let base = Kernel.mapShared(descriptor, Self.size) else { fail("cannot map the memory") }
        self.base = base
    }

    var line: UnsafeMutableRawPointer { base + Self.line }
    var indexes: UnsafeMutableRawPointer { base + Self.ring }
    var input: UnsafeMutableRawPointer { indexes + 4096 }
    var output: UnsafeMutableRawPointer { indexes + 4096 + Int(Self.half) }
}

/// A stream of bytes that repeats after a prime number of them: any shift, loss or repetition shows.
struct Pattern {
    static let period = 1_048_573
    private let block: UnsafeMutableRawPointer

    init(salt: UInt64) {
        block = .allocate(byteCount: Self.period, alignment: 8)
        var state = salt
        for index in 0..<Self.period {
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            block.storeBytes(of: UInt8(truncatingIfNeeded: state >> 56), toByteOffset: index, as: UInt8.self)
        }
    }

    /// The bytes from `position` on that lie together, at most `limit`.
    func run(at position: Int, limit: Int) -> UnsafeRawBufferPointer {
        let offset = position % Self.period
        return UnsafeRawBufferPointer(start: block + offset, count: min(limit, Self.period - offset))
    }

    func fill(_ buffer: UnsafeMutableRawBufferPointer, at position: Int) {
        var done = 0
        while done < buffer.count {
            let run = run(at: position + done, limit: buffer.count - done)
            memcpy(buffer.baseAddress! + done, run.baseAddress!, run.count)
            done += run.count
        }
    }

    func matches(_ buffer: UnsafeRawBufferPointer, at position: Int) -> Bool {
        var done = 0
        while done < buffer.count {
            let run = run(at: position + done, limit: buffer.count - done)
            if memcmp(buffer.baseAddress! + done, run.baseAddress!, run.count) != 0 { return false }
            done += run.count
        }
        return true
    }

    static var inbound: Pattern { Pattern(salt: 1) }
    static var outbound: Pattern { Pattern(salt: 2) }
}

/// FNV-1a over words of what passed, which both sides print.
struct Checksum {
    private(set) var value: UInt64 = 0xcbf2_9ce4_8422_2325
    private var position = 0

    /// Adds a word for every 4096 bytes of the stream that begin in the buffer: independent of how it was cut.
    mutating func add(_ buffer: UnsafeRawBufferPointer) {
        var offset = (4096 - position % 4096) % 4096
        while offset < buffer.count {
            value = (value ^ UInt64(buffer[offset])) &* 0x100_0000_01b3
            offset += 4096
        }
        position += buffer.count
    }
}

func fail(_ message: String) -> Never {
    let line = "ring-stress: \(message)\n"
    _ = line.withCString { Kernel.write(2, $0, strlen($0)) }
    exit(1)
}
