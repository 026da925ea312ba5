import XenSockRing
import XenSockWire

/// One question and its answer (docs/PROTOCOL.md, 2.4), in the socket that carries them.
final class ResolverExchange {
    enum Step {
        case collecting
        /// Handed to the resolver under this number.
        case asked(UInt64)
        case answering
        case finished
    }

    var step = Step.collecting
    var query: [UInt8] = []
    var answer: [UInt8] = []
    var sent = 0
    /// A whole query waits for the service to hand it on.
    var isComplete = false

    func restart() {
        step = .collecting
        query = []
        answer = []
        sent = 0
        isComplete = false
    }

    /// An answer that holds a status and nothing else.
    static func failure(status: Int32, errno: Int32) -> [UInt8] {
        var record: [UInt8] = []
        for word in [16, UInt32(bitPattern: status), UInt32(bitPattern: errno), 0] {
            withUnsafeBytes(of: word.littleEndian) { record.append(contentsOf: $0) }
        }
        return record
    }
}

extension BackendSocket {
    /// Collects the query, or writes the answer as far as there is room.
    func resolverTurn() throws(RingViolation) {
        guard let resolver, phase == .connected else { return }
        switch resolver.step {
        case .collecting: try collect(resolver)
        case .answering: try writeAnswer(resolver)
        case .asked, .finished: break
        }
    }

    private func collect(_ exchange: ResolverExchange) throws(RingViolation) {
        let waiting = try outRing.waiting()
        if waiting == 0 {
            if try !outRing.idle() { wantsTurn = true }
            return
        }
        // The length is read once, from the private copy; until it is there, no more than it is taken.
        let wanted = exchange.query.count < 4 ? 4 - exchange.query.count : length(exchange.query) - exchange.query.count
        let bytes = outRing.bytes(waiting, limit: UInt32(truncatingIfNeeded: wanted))
        exchange.query.append(contentsOf: bytes.first)
        exchange.query.append(contentsOf: bytes.second)
        settle(try outRing.consume(UInt32(truncatingIfNeeded: bytes.count)))
        wantsTurn = true
        guard exchange.query.count >= 4 else { return }
        let length = length(exchange.query)
        guard length >= 8, length <= Resolver.maximumQuery else {
            violate("a query of \(length) bytes")
            return
        }
        exchange.isComplete = exchange.query.count == length
    }

    private func length(_ record: [UInt8]) -> Int {
        Int(record[0]) | Int(record[1]) << 8 | Int(record[2]) << 16 | Int(record[3]) << 24
    }

    /// The resolver's answer, whole.
    func answerQuery(_ record: [UInt8]) {
        guard let resolver, phase == .connected else { return }
        resolver.step = .answering
        resolver.answer = record
        wantsTurn = true
    }

    private func writeAnswer(_ exchange: ResolverExchange) throws(RingViolation) {
        let left = exchange.answer.count - exchange.sent
        if left == 0 {
            exchange.step = .finished
            return try finishReading()
        }
        let space = try inRing.free(limit: UInt32(truncatingIfNeeded: left))
        if space.count == 0 {
            if try !inRing.stall() { wantsTurn = true }
            return
        }
        exchange.answer.withUnsafeBytes { answer in
            let part = UnsafeRawBufferPointer(rebasing: answer[exchange.sent..<exchange.sent + space.count])
            space.first.copyMemory(from: UnsafeRawBufferPointer(rebasing: part[0..<space.first.count]))
            space.second.copyMemory(from: UnsafeRawBufferPointer(rebasing: part[space.first.count...]))
        }
        exchange.sent += space.count
        try publish(UInt32(truncatingIfNeeded: space.count))
        wantsTurn = true
    }
}
