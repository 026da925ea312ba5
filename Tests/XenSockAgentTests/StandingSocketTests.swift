import Glibc
import Testing
import XenSockWire
@testable import XenSockAgent

@Suite("what makes a socket again that was lost")
struct StandingSocketTests {
    private func socket(domain: Int32 = AF_INET, type: Int32 = 1) -> StandingSocket {
        StandingSocket(domain: domain, type: type, protocolNumber: 0, serial: 1)
    }

    private func set(_ socket: StandingSocket, _ level: Int32, _ name: Int32, _ value: Int32) -> Bool {
        withUnsafeBytes(of: value) { socket.noteOption(level: level, name: name, value: $0) }
    }

    private func text(_ socket: StandingSocket) -> [String] {
        socket.steps.map { step in
            switch step {
            case .option(let level, let name, let value): "\(level).\(name)=\(value[0])"
            case .bind(let address): "bind \(StandingSocket.port(address))"
            case .listen(let backlog): "listen \(backlog)"
            }
        }
    }

    @Test("steps are kept in their order, an option as it was set last before and after bind(2)")
    func keepsOrder() {
        let socket = socket()
        #expect(set(socket, SOL_SOCKET, SO_REUSEADDR, 1))
        #expect(set(socket, SOL_SOCKET, SO_RCVBUF, 7))
        #expect(set(socket, SOL_SOCKET, SO_REUSEADDR, 0))
        #expect(socket.noteAddress(.ipv4(0x7f00_0001, port: 8080)))
        #expect(set(socket, SOL_SOCKET, SO_REUSEADDR, 1))
        #expect(set(socket, SOL_SOCKET, SO_REUSEADDR, 2))
        #expect(socket.noteListen(backlog: 5))
        #expect(socket.noteListen(backlog: 9))
        #expect(text(socket) == ["1.2=0", "1.8=7", "bind 8080", "1.2=2", "listen 9"])
        #expect(socket.isListening)
        #expect(socket.description == "listener at 127.0.0.1:8080")
    }

    @Test("memberships add up")
    func keepsMemberships() {
        let socket = socket(type: 2)
        for value in 1...3 as ClosedRange<Int32> { #expect(set(socket, Int32(IPPROTO_IP), 35, value)) }
        #expect(set(socket, Int32(IPPROTO_IP), 36, 2))
        #expect(set(socket, Int32(IPPROTO_IP), 33, 1))
        #expect(set(socket, Int32(IPPROTO_IP), 33, 2))
        #expect(text(socket) == ["0.35=1", "0.35=2", "0.35=3", "0.36=2", "0.33=2"])
    }

    @Test("there is a bound, and what does not fit is said")
    func isBounded() {
        let socket = socket(type: 2)
        for value in 0..<Int32(StandingSocket.maximumSteps) { #expect(set(socket, Int32(IPPROTO_IPV6), 20, value)) }
        #expect(!set(socket, Int32(IPPROTO_IPV6), 20, 1))
        #expect(!socket.noteAddress(.ipv4(0, port: 53)))
        #expect(!socket.noteListen(backlog: 1))
        #expect(socket.steps.count == StandingSocket.maximumSteps)
    }

    @Test("an address without a port cannot be had again, but for a raw socket's")
    func needsPort() {
        #expect(!socket().noteAddress(.ipv4(0x7f00_0001, port: 0)))
        #expect(socket(type: 3).noteAddress(.ipv4(0x7f00_0001, port: 0)))
    }

    @Test("what the log calls an IPv6 socket")
    func describesIPv6() throws {
        var bytes = [UInt8](repeating: 0, count: 28)
        (bytes[0], bytes[2], bytes[3], bytes[23]) = (UInt8(AF_INET6), 0x1f, 0x90, 1)
        let address = try #require(bytes.withUnsafeBytes { SocketAddress(bytes: $0.baseAddress!, length: 28) })
        let socket = socket(domain: AF_INET6, type: 2)
        #expect(socket.noteAddress(address))
        #expect(socket.description == "datagram socket at [::1]:8080")
    }

    @Test("only Internet sockets are made again")
    func knowsDomains() {
        #expect(StandingSocket.isPossible(domain: AF_INET) && StandingSocket.isPossible(domain: AF_INET6))
        #expect(!StandingSocket.isPossible(domain: AF_UNIX))
    }
}
