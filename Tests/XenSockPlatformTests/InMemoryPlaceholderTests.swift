import CXenSockSystem
import Glibc
import Testing
import XenSockPlatform
import XenSockTestSupport

/// A real socket pair, with the operations of the model.
private final class KernelPlaceholder {
    private var program: Int32
    private var service: Int32

    init() {
        let pair = Kernel.socketPair(type: Int32(SOCK_STREAM.rawValue))
        program = pair.first
        service = pair.second
        var smallest: Int32 = 1
        _ = Kernel.setOption(program, SOL_SOCKET, SO_SNDBUF, &smallest, 4)
    }

    deinit {
        for fd in [program, service] where fd >= 0 { _ = Kernel.close(fd) }
    }

    func descriptor(_ end: InMemoryPlaceholder.End) -> Int32 { end == .program ? program : service }

    func send(from end: InMemoryPlaceholder.End, _ count: Int) -> Int {
        let bytes = [UInt8](repeating: 0, count: count)
        return Kernel.send(descriptor(end), bytes, count, Int32(MSG_DONTWAIT | MSG_NOSIGNAL))
    }

    func receive(at end: InMemoryPlaceholder.End, _ count: Int, peek: Bool) -> Int {
        var bytes = [UInt8](repeating: 0, count: count)
        let flags = MSG_DONTWAIT | (peek ? MSG_PEEK : 0)
        return Kernel.receive(descriptor(end), &bytes, count, Int32(flags))
    }

    func shutdown(_ end: InMemoryPlaceholder.End, reading: Bool, writing: Bool) {
        _ = Kernel.shutdown(descriptor(end), reading ? (writing ? 2 : 0) : 1)
    }

    func close(_ end: InMemoryPlaceholder.End) {
        _ = Kernel.close(descriptor(end))
        if end == .program { program = -1 } else { service = -1 }
        // A child of another test that has not yet executed its program has the end, too.
        while !events(end.other).contains(.hangup) { usleep(1000) }
    }

    func events(_ end: InMemoryPlaceholder.End) -> InMemoryPlaceholder.Events {
        let events = xs_wait_poll(descriptor(end), Int16(POLLIN | POLLOUT | Int32(XS_POLLRDHUP)), 0)
        return .init(rawValue: Int16(truncatingIfNeeded: events))
    }
}

struct InMemoryPlaceholderTests {
    @Test(
        "The model answers every operation as the kernel's socket pair does",
        arguments: 100...139 as ClosedRange<UInt64>)
    func likeTheKernel(seed: UInt64) throws {
        var random = SeededGenerator(seed: seed)
        var progress = Progress(seed: seed)
        let model = InMemoryPlaceholder()
        let kernel = KernelPlaceholder()
        var open: [InMemoryPlaceholder.End] = [.program, .service]
        for step in 0..<200 {
            progress.step = step
            let end = open[random.below(open.count)]
            switch random.below(step > 100 ? 12 : 8) {
            case 0, 1, 2:
                // What the protocol sends: tokens one way, fillers the other.
                let count = end == .service ? 1 : LocalDomain.fillerSize
                try progress.requireEqual(
                    model.send(from: end, count), kernel.send(from: end, count), "send from \(end)")
            case 3, 4, 5, 6:
                let count = [1, 3, 200, 256, 600][random.below(5)]
                try progress.requireEqual(
                    model.receive(at: end, count), kernel.receive(at: end, count, peek: false), "receive at \(end)")
            case 7:
                try progress.requireEqual(
                    model.peek(at: end, 4096), kernel.receive(at: end, 4096, peek: true), "peek at \(end)")
            case 8, 9, 10:
                guard random.oneIn(6) else { continue }
                let how = random.below(3)
                model.shutdown(end, reading: how != 1, writing: how != 0)
                kernel.shutdown(end, reading: how != 1, writing: how != 0)
            default:
                guard open.count == 2, random.oneIn(6) else { continue }
                model.close(end)
                kernel.close(end)
                open = [end.other]
            }
            for end in open {
                try progress.requireEqual(model.events(end), kernel.events(end), "events at \(end)")
            }
        }
    }

    @Test func oneFillerTakesTheProgramsOutAndOneReceivingGivesItBack() {
        let pair = InMemoryPlaceholder()
        #expect(pair.events(.program) == .output)
        #expect(pair.send(from: .program, LocalDomain.fillerSize) == 256)
        #expect(pair.events(.program) == [])
        #expect(pair.receive(at: .service, 256) == 256)
        #expect(pair.events(.program) == .output)
    }

    @Test func aCloseWithUnreadFillerIsAReset() {
        let pair = InMemoryPlaceholder()
        _ = pair.send(from: .program, 256)
        pair.close(.service)
        #expect(pair.events(.program) == [.input, .output, .error, .hangup, .readHangup])
        #expect(pair.receive(at: .program, 1) == -Int(ECONNRESET))
        #expect(pair.receive(at: .program, 1) == 0)
    }

    @Test func aTokenSentBeforeTheCloseIsReceivedBeforeTheEnd() {
        let pair = InMemoryPlaceholder()
        _ = pair.send(from: .service, 1)
        pair.close(.service)
        #expect(pair.receive(at: .program, 5) == 1)
        #expect(pair.receive(at: .program, 5) == 0)
    }
}
