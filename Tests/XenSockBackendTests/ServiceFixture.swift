import CXenSockSystem
import Glibc
import Logging
import Testing
import XenSockTestSupport
import XenSockWire

@testable import XenSockBackend

/// All tests that run a service: one after the other, since they share the machine's ports and the process's descriptors.
@Suite(.serialized) enum ServiceTests {}

/// A service on a thread of its own, on a path of its own.
final class ServiceFixture: @unchecked Sendable {
    let path: String
    let service: Service
    private var thread = pthread_t()
    private var isStopped = false

    init(
        policy: any BackendPolicy = AllowAll(), resolver: any NameResolver = NoResolver(),
        change: (inout ServiceConfiguration) -> Void = { _ in }
    ) throws {
        path = "/tmp/xensock-test-\(getpid())-\(UInt32.random(in: 0...UInt32.max)).sock"
        var configuration = ServiceConfiguration(listening: .path(path, mode: 0o600))
        change(&configuration)
        var log = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
        log.logLevel = .critical
        service = try Service(configuration: configuration, policy: policy, resolver: resolver, log: log)
        let argument = Unmanaged.passRetained(service).toOpaque()
        let result = pthread_create(
            &thread, nil,
            { argument in
                if let argument { Unmanaged<Service>.fromOpaque(argument).takeRetainedValue().run() }
                return nil
            }, argument)
        guard result == 0 else { throw ClientError(description: "pthread_create") }
    }

    /// Stops the service and waits until its thread is done with it.
    func stop() {
        service.stop()
        pthread_join(thread, nil)
        isStopped = true
    }

    deinit { precondition(isStopped, "a test has not stopped its fixture") }
}

/// A TCP socket of the test itself on 127.0.0.1.
final class Peer {
    var descriptor: Int32
    private let kernel = LinuxKernel()

    init(descriptor: Int32) { self.descriptor = descriptor }

    /// Listens on a port that the kernel chooses.
    ///
    /// - Parameter receiveBuffer: SO_RCVBUF of the connections, for tests that fill it.
    static func listening(backlog: Int32 = 16, receiveBuffer: Int32? = nil) throws -> Peer {
        let peer = Peer(descriptor: socket(AF_INET, Int32(SOCK_STREAM.rawValue) | O_CLOEXEC, 0))
        if var receiveBuffer { setsockopt(peer.descriptor, SOL_SOCKET, SO_RCVBUF, &receiveBuffer, 4) }
        let address = SocketAddress.loopback(port: 0)
        let bound = address.withUnsafeBytes { peer.kernel.bind(peer.descriptor, $0) }
        guard bound == 0, listen(peer.descriptor, backlog) == 0 else { throw ClientError(description: "listen") }
        return peer
    }

    static func connected(to address: SocketAddress, receiveBuffer: Int32? = nil) throws -> Peer {
        let peer = Peer(descriptor: socket(AF_INET, Int32(SOCK_STREAM.rawValue) | O_CLOEXEC, 0))
        if var receiveBuffer { setsockopt(peer.descriptor, SOL_SOCKET, SO_RCVBUF, &receiveBuffer, 4) }
        guard address.withUnsafeBytes({ peer.kernel.connect(peer.descriptor, $0) }) == 0 else {
            throw ClientError(description: "connect")
        }
        return peer
    }

    deinit { close() }

    func close() {
        if descriptor >= 0 { kernel.close(descriptor) }
        descriptor = -1
    }

    /// Closes with a RST.
    func reset() {
        var value = linger(l_onoff: 1, l_linger: 0)
        setsockopt(descriptor, SOL_SOCKET, SO_LINGER, &value, UInt32(MemoryLayout<linger>.size))
        close()
    }

    var address: SocketAddress {
        var buffer = [UInt8](repeating: 0, count: 128)
        var length: UInt32 = 128
        _ = kernel.getsockname(descriptor, address: &buffer, length: &length)
        return SocketAddress(bytes: buffer, length: Int(length)) ?? SocketAddress()
    }

    func accept() throws -> Peer {
        guard waitFor(descriptor, POLLIN, 20_000) else { throw ClientError(description: "nobody connected") }
        return Peer(descriptor: Glibc.accept(descriptor, nil, nil))
    }

    func write(_ bytes: [UInt8]) { _ = Glibc.send(descriptor, bytes, bytes.count, Int32(MSG_NOSIGNAL)) }

    /// Reads until `count` bytes came, the end, or an error; the errno is -1 times the second value.
    func read(_ count: Int) -> (bytes: [UInt8], result: Int) {
        var all: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 65536)
        while all.count < count {
            guard waitFor(descriptor, POLLIN, 20_000) else { return (all, -110) }
            let got = Glibc.recv(descriptor, &buffer, min(buffer.count, count - all.count), 0)
            if got <= 0 { return (all, got < 0 ? Int(-errno) : 0) }
            all += buffer[0..<got]
        }
        return (all, all.count)
    }
}

extension ServiceConfiguration.Listening {
    /// The same for every user.
    var open: Self {
        if case .path(let path, _) = self { .path(path, mode: 0o666) } else { self }
    }
}

extension SocketAddress {
    static func loopback(port: UInt16) -> SocketAddress {
        var address = sockaddr_in()
        address.sin_family = UInt16(AF_INET)
        address.sin_port = port.bigEndian
        address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
        return Swift.withUnsafeBytes(of: address) { SocketAddress(bytes: $0.baseAddress!, length: $0.count)! }
    }
}

extension ServiceFixture {
    /// What the service holds: the descriptors that it watches, and the arenas' memory. Tests of other modules run in the
    /// same process, so all of its descriptors say nothing.
    var held: Int { watched + Self.memories }

    private var watched: Int {
        guard let file = fopen("/proc/self/fdinfo/\(service.epoll)", "r") else { return -1 }
        defer { fclose(file) }
        var line = [CChar](repeating: 0, count: 256)
        var count = 0
        while fgets(&line, 256, file) != nil {
            if strncmp(line, "tfd:", 4) == 0 { count += 1 }
        }
        return count
    }

    private static var memories: Int { countDescriptors { $0.hasPrefix("/memfd:xensock") } }
}
