import CXenSockSystem
import Glibc
import XenSockBackend
import XenSockFrontend
import XenSockWire

/// Resolves names by the service behind the agent: each query is a resolver socket there (docs/PROTOCOL.md, 2.3 and
/// 2.4), watched until its answer is whole.
public final class UpstreamResolver: NameResolver {
    /// Watches the resolver sockets; readable while one of them has something to take.
    private let epoll: Int32
    private var exchanges: [Int32: Exchange] = [:]
    private var descriptors: [UInt64: Int32] = [:]

    private struct Exchange {
        let completion: UInt64
        var answer: [UInt8] = []
    }

    /// EAI_SYSTEM.
    private static let systemError: Int32 = -11
    private let part = UnsafeMutableRawBufferPointer.allocate(byteCount: 16384, alignment: 8)

    private let network: UpstreamNetwork

    public init?(_ network: UpstreamNetwork) {
        self.network = network
        epoll = epoll_create1(Int32(EPOLL_CLOEXEC))
        if epoll < 0 { return nil }
    }

    deinit {
        for descriptor in exchanges.keys { AgentFrontend.close(descriptor) }
        close(epoll)
        part.deallocate()
    }

    public var completionDescriptor: Int32 { epoll }

    public func start(query: UnsafeRawBufferPointer, completion: UInt64, asker: UInt64) -> Int32 {
        let descriptor = network.asking { AgentFrontend.openResolver(query: query) }
        guard descriptor >= 0 else { return 0 &- descriptor }
        var event = epoll_event(events: UInt32(EPOLLIN.rawValue), data: epoll_data(fd: descriptor))
        guard epoll_ctl(epoll, EPOLL_CTL_ADD, descriptor, &event) == 0 else {
            let error = errno
            AgentFrontend.close(descriptor)
            return error
        }
        exchanges[descriptor] = Exchange(completion: completion)
        descriptors[completion] = descriptor
        return 0
    }

    public func cancel(completion: UInt64) {
        guard let descriptor = descriptors.removeValue(forKey: completion) else { return }
        exchanges[descriptor] = nil
        AgentFrontend.close(descriptor)
    }

    public func takeResults(_ body: (UInt64, [UInt8]) -> Void) {
        var events = [epoll_event](repeating: epoll_event(), count: 64)
        let count = epoll_wait(epoll, &events, 64, 0)
        guard count > 0 else { return }
        for event in events.prefix(Int(count)) { take(event.data.fd, body) }
    }

    /// Gives up what a service was asked that is gone without a hang-up.
    func forgetLost(_ body: (UInt64, [UInt8]) -> Void) {
        for descriptor in Array(exchanges.keys) {
            guard let handle = AgentFrontend.find(descriptor), !AgentFrontend.isOver(handle) else {
                finish(descriptor, failure(ENETDOWN), body)
                continue
            }
        }
    }

    private func take(_ descriptor: Int32, _ body: (UInt64, [UInt8]) -> Void) {
        guard exchanges[descriptor] != nil else { return }
        guard let handle = AgentFrontend.find(descriptor) else { return finish(descriptor, failure(ECONNRESET), body) }
        while true {
            var vector = iovec(iov_base: part.baseAddress, iov_len: part.count)
            let count = Frontend.receive(handle, &vector, 1, flags: Int32(MSG_DONTWAIT), message: nil)
            if count == -Int(EAGAIN) {
                let isGone = AgentFrontend.poll(descriptor, events: 0) & Int16(POLLHUP) != 0
                return isGone ? finish(descriptor, failure(ECONNRESET), body) : ()
            }
            guard count > 0 else {
                return finish(descriptor, failure(count < 0 ? Int32(-count) : EPROTO), body)
            }
            exchanges[descriptor]?.answer.append(contentsOf: part[0..<count])
            guard let answer = exchanges[descriptor]?.answer, answer.count >= 4 else { continue }
            let length = answer.withUnsafeBytes { Int($0.loadUnaligned(as: UInt32.self)) }
            guard length >= Resolver.Answer.entries, length <= Resolver.maximumAnswer, answer.count <= length else {
                return finish(descriptor, failure(EPROTO), body)
            }
            if answer.count == length { return finish(descriptor, answer, body) }
        }
    }

    private func finish(_ descriptor: Int32, _ answer: [UInt8], _ body: (UInt64, [UInt8]) -> Void) {
        guard let exchange = exchanges.removeValue(forKey: descriptor) else { return }
        descriptors[exchange.completion] = nil
        AgentFrontend.close(descriptor)
        body(exchange.completion, answer)
    }

    private func failure(_ error: Int32) -> [UInt8] {
        let record = [UInt32(Resolver.Answer.entries), UInt32(bitPattern: Self.systemError), UInt32(error), 0]
        return record.withUnsafeBytes { Array($0) }
    }
}
