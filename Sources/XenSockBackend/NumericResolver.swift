import CXenSockSystem
import Glibc

/// Resolves numbers only, at once and without a name server: for a network that has no names. A name is EAI_NONAME.
public final class NumericResolver: NameResolver {
    public let completionDescriptor: Int32
    private var results: [(UInt64, [UInt8])] = []

    public init?() {
        completionDescriptor = LinuxKernel().eventDescriptor()
        if completionDescriptor < 0 { return nil }
    }

    deinit { close(completionDescriptor) }

    public func start(query: UnsafeRawBufferPointer, completion: UInt64, asker: UInt64) -> Int32 {
        let answer: ResolverAnswerRecord
        switch ResolverQueryRecord(record: query) {
        case .addressInfo(let flags, let family, let type, let protocolNumber, let node, let service):
            answer =
                ResolverQueryRecord.addressInfo(
                    flags: flags | AI_NUMERICHOST, family: family, type: type, protocolNumber: protocolNumber,
                    node: node, service: service
                ).perform()
        case .nameInfo(let flags, let address) where flags & NI_NAMEREQD != 0:
            _ = address
            answer = ResolverAnswerRecord(status: EAI_NONAME)
        case .nameInfo(let flags, let address):
            answer = ResolverQueryRecord.nameInfo(flags: flags | NI_NUMERICHOST, address: address).perform()
        case .hostByName(let name, let family):
            // Of an address in digits nobody is asked.
            answer =
                PolicyQuestion.isNumeric(name)
                ? ResolverQueryRecord.hostByName(name, family: family).perform()
                : ResolverAnswerRecord(status: HOST_NOT_FOUND)
        case .hostByAddress:
            answer = ResolverAnswerRecord(status: HOST_NOT_FOUND)
        case .dns:
            answer = ResolverAnswerRecord(status: NO_RECOVERY)
        case .interfaces, .interfaceControl:
            answer = ResolverAnswerRecord(status: EAI_SYSTEM, systemError: EOPNOTSUPP)
        case nil:
            answer = ResolverAnswerRecord(status: EAI_FAIL)
        }
        results.append((completion, answer.encoded()))
        LinuxKernel().signal(eventDescriptor: completionDescriptor)
        return 0
    }

    public func cancel(completion: UInt64) { results.removeAll { $0.0 == completion } }

    public func takeResults(_ body: (UInt64, [UInt8]) -> Void) {
        var count: UInt64 = 0
        _ = read(completionDescriptor, &count, 8)
        let taken = results
        results = []
        for (completion, answer) in taken { body(completion, answer) }
    }
}
