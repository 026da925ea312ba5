import Testing
import XenSockTestSupport

@testable import XenSockRing

struct CommandRingTests {
    private static let layouts = [CommandRingLayout.pvcalls, .draft1]

    @Test(
        "Requests and answers pass as through two queues, over the wrap of the indexes", arguments: [0, 1],
        [31, 32, 33])
    func agree(layout: Int, seed: Int) throws {
        let layout = Self.layouts[layout]
        let page = SharedPages(pages: 1)
        var front = CommandRingFront(page: page.base, layout: layout)
        var back = CommandRingBack(page: page.base, layout: layout)
        if seed != 31 { start(&front, &back, page, at: .max - 40) }
        let slow = SlowCommandRing(count: Int(layout.count))
        var random = SeededGenerator(seed: UInt64(seed))
        var progress = Progress(seed: UInt64(seed))
        var next: UInt64 = 1
        for step in 0..<4000 {
            progress.step = step
            try progress.requireEqual(front.isFull, slow.isFull, "full")
            switch random.below(5) {
            case 0, 1:
                if front.isFull { continue }
                try progress.require(front.nextSlot < layout.count, "slot \(front.nextSlot)")
                front.nextRequest().storeBytes(of: next, as: UInt64.self)
                _ = front.push()
                slow.push(next)
                next += 1
            case 2:
                let request = try back.nextRequest()
                try progress.requireEqual(request?.load(as: UInt64.self), slow.takeRequest(), "request")
                if request != nil { back.consumeRequest() }
            case 3:
                if slow.owesAnswers {
                    back.nextResponse().storeBytes(of: next ^ 0xffff, as: UInt64.self)
                    back.pushResponse()
                    slow.pushResponse(next ^ 0xffff)
                }
                if random.oneIn(2) {
                    _ = back.publishResponses()
                    slow.publishResponses()
                }
            default:
                let response = try front.nextResponse()
                try progress.requireEqual(response?.load(as: UInt64.self), slow.takeResponse(), "response")
                if response != nil { front.consumeResponse() }
            }
        }
    }

    private func start(
        _ front: inout CommandRingFront, _ back: inout CommandRingBack, _ page: SharedPages, at index: UInt32
    ) {
        front.requestsProduced = index
        front.requestsPublished = index
        front.responsesConsumed = index
        back.requestsConsumed = index
        back.responsesProduced = index
        back.responsesPublished = index
        SharedWord32(page.base + CommandRingLayout.requestProducer).store(index)
        SharedWord32(page.base + CommandRingLayout.responseProducer).store(index)
        SharedWord32(page.base + CommandRingLayout.requestEvent).store(index &+ 1)
        SharedWord32(page.base + CommandRingLayout.responseEvent).store(index &+ 1)
    }

    @Test(
        "Whoever says that it waits is notified by the next publication, and by no other",
        arguments: 41...44 as ClosedRange<UInt64>)
    func notifications(seed: UInt64) throws {
        let page = SharedPages(pages: 1)
        var front = CommandRingFront(page: page.base, layout: .pvcalls)
        var back = CommandRingBack(page: page.base, layout: .pvcalls)
        start(&front, &back, page, at: .max - 100)
        var random = SeededGenerator(seed: seed)
        var progress = Progress(seed: seed)
        // A new ring asks for the first notification in both directions.
        var backWaits = true
        var frontWaits = true
        for step in 0..<4000 {
            progress.step = step
            switch random.below(4) {
            case 0:
                if front.isFull { continue }
                try progress.requireEqual(front.push(), backWaits, "notification of the backend")
                backWaits = false
            case 1:
                while try back.nextRequest() != nil {
                    back.consumeRequest()
                    back.pushResponse()
                    if random.oneIn(4) { break }
                }
                if try back.nextRequest() == nil {
                    try progress.require(back.awaitRequest(), "a request that is not there")
                    backWaits = true
                } else {
                    try progress.require(!back.awaitRequest(), "slept over a request")
                    // The event index now lies behind what is pending: only the next wait counts.
                    backWaits = false
                }
            case 2:
                let pushed = back.responsesProduced != back.responsesPublished
                let notified = back.publishResponses()
                try progress.requireEqual(notified, pushed && frontWaits, "notification of the frontend")
                if pushed { frontWaits = false }
            default:
                while try front.nextResponse() != nil { front.consumeResponse() }
                try progress.require(front.awaitResponse(), "a response that is not there")
                frontWaits = true
            }
        }
    }

    @Test("A producer that claims more than the ring holds is a violation", arguments: [0, 1])
    func hostileProducers(layout: Int) throws {
        let layout = Self.layouts[layout]
        let page = SharedPages(pages: 1)
        var front = CommandRingFront(page: page.base, layout: layout)
        let back = CommandRingBack(page: page.base, layout: layout)
        let requests = SharedWord32(page.base + CommandRingLayout.requestProducer)
        let responses = SharedWord32(page.base + CommandRingLayout.responseProducer)
        _ = front.push()
        for claim in [2, layout.count, layout.count + 1, 1 << 31, .max] {
            responses.store(claim)
            #expect(throws: RingViolation.self) { _ = try front.nextResponse() }
        }
        for claim in [layout.count + 1, 1 << 31, .max] {
            requests.store(claim)
            #expect(throws: RingViolation.self) { _ = try back.nextRequest() }
        }
        requests.store(layout.count)
        #expect(try back.nextRequest() != nil)
    }

    @Test("Requests beyond those answered are a violation even after many were consumed")
    func requestsBeyondAnswers() throws {
        let page = SharedPages(pages: 1)
        _ = CommandRingFront(page: page.base, layout: .pvcalls)
        var back = CommandRingBack(page: page.base, layout: .pvcalls)
        let requests = SharedWord32(page.base + CommandRingLayout.requestProducer)
        requests.store(32)
        while try back.nextRequest() != nil { back.consumeRequest() }
        requests.store(33)
        #expect(throws: RingViolation.self) { _ = try back.nextRequest() }
        back.pushResponse()
        #expect(try back.nextRequest() != nil)
    }

    @Test("Random producers never make an entry lie outside the page", arguments: 51...54 as ClosedRange<UInt64>)
    func randomProducers(seed: UInt64) throws {
        var random = SeededGenerator(seed: seed)
        var progress = Progress(seed: seed)
        let layout = Self.layouts[Int(seed % 2)]
        let page = SharedPages(pages: 1)
        var front = CommandRingFront(page: page.base, layout: layout)
        var back = CommandRingBack(page: page.base, layout: layout)
        for step in 0..<3000 {
            progress.step = step
            for offset in [0, 4, 8, 12] where random.oneIn(3) {
                let near = random.oneIn(2) ? UInt32(random.below(80)) : UInt32(truncatingIfNeeded: random.next())
                SharedWord32(page.base + offset).store(near)
            }
            var entries = [front.nextRequest(), back.nextResponse()]
            if let request = try? back.nextRequest() {
                entries.append(request)
                back.consumeRequest()
                back.pushResponse()
            }
            if let response = try? front.nextResponse() {
                entries.append(response)
                front.consumeResponse()
            }
            if !front.isFull { _ = front.push() }
            _ = back.publishResponses()
            _ = back.awaitRequest()
            _ = front.awaitResponse()
            for entry in entries {
                let offset = entry - page.base
                try progress.require(offset >= 64 && offset + layout.entrySize <= 4096, "entry at \(offset)")
            }
        }
    }
}
