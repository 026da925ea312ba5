import CXenSockSystem
import XenSockPlatform
import XenSockWire

/// Questions to the backend domain that have records of their own (docs/PROTOCOL.md, 2.4, kinds 3 to 5).
extension Frontend {
    /// The most bytes of an answer behind its first 16.
    public static var maximumAnswer: Int { Resolver.maximumAnswer &- Resolver.Answer.entries }

    /// The header of an answer, and how long what follows it is.
    public struct QuestionAnswer {
        /// 0, or what the kind's section says.
        public var status: Int32
        public var error: Int32
        public var count: UInt32
        /// Bytes of content.
        public var length: Int
    }

    /// Asks a question. Allocates.
    ///
    /// - Parameters:
    ///   - body: what stands behind the first 8 bytes of the query record, in two parts.
    ///   - content: takes the answer's bytes from the 17th on, as far as there is room.
    /// - Returns: the answer; a question that could not be asked has EAI_SYSTEM and a positive errno.
    public static func ask(
        kind: Resolver.Kind, _ body: UnsafeRawBufferPointer, _ rest: UnsafeRawBufferPointer,
        into content: UnsafeMutableRawBufferPointer
    ) -> QuestionAnswer {
        func failure(_ error: Int) -> QuestionAnswer {
            QuestionAnswer(status: EAI_SYSTEM, error: Int32(truncatingIfNeeded: error), count: 0, length: 0)
        }
        let head = Resolver.Query.flags
        let size = head &+ body.count &+ rest.count
        if size > Resolver.maximumQuery { return failure(Int(EINVAL)) }
        guard let memory = malloc(Resolver.maximumQuery &+ Resolver.maximumAnswer) else { return failure(Int(ENOMEM)) }
        defer { free(memory) }
        memory.storeBytes(of: UInt32(size), toByteOffset: Resolver.Query.length, as: UInt32.self)
        memory.storeBytes(of: kind.rawValue, toByteOffset: Resolver.Query.kind, as: UInt32.self)
        if let bytes = body.baseAddress { memcpy(memory + head, bytes, body.count) }
        if let bytes = rest.baseAddress { memcpy(memory + head + body.count, bytes, rest.count) }
        let answer = UnsafeMutableRawBufferPointer(
            start: memory + Resolver.maximumQuery, count: Resolver.maximumAnswer)
        let length = ResolverExchange.run(UnsafeRawBufferPointer(start: memory, count: size), answer)
        if length < 0 { return failure(0 &- length) }
        let bytes = length &- Resolver.Answer.entries
        if let destination = content.baseAddress, let source = answer.baseAddress {
            memcpy(destination, source + Resolver.Answer.entries, min(bytes, content.count))
        }
        return QuestionAnswer(
            status: answer.load(fromByteOffset: Resolver.Answer.status, as: Int32.self),
            error: answer.load(fromByteOffset: Resolver.Answer.errno, as: Int32.self) & 0xfff,
            count: answer.load(fromByteOffset: Resolver.Answer.count, as: UInt32.self), length: bytes)
    }
}
