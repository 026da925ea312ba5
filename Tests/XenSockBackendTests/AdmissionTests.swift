import Glibc
import Testing
import XenSockWire

@testable import XenSockBackend

extension ServiceTests {
    /// Who gets a session.
    @Suite struct AdmissionTests {
        @Test func oneSessionMoreThanAUserMayHaveIsRefused() throws {
            let fixture = try ServiceFixture { $0.maximumSessionsPerUser = 1 }
            defer { fixture.stop() }
            let first = try TestClient(path: fixture.path)
            #expect(try first.hello() == 0)
            let second = try TestClient(path: fixture.path)
            #expect(try second.hello() == UInt32(EAGAIN))
            first.hangUp()
            #expect(try eventually { try TestClient(path: fixture.path).hello() == 0 })
        }

        @Test func aSessionWhoseSocketsLiveOnStillCounts() throws {
            let fixture = try ServiceFixture { $0.maximumSessionsPerUser = 1 }
            defer { fixture.stop() }
            let client = try TestClient.connected(path: fixture.path)
            let socket = try TestSocket(client, port: 1)
            #expect(try socket.open() == 0)
            client.hangUp()
            #expect(!eventually(within: 0.1) { (try? TestClient(path: fixture.path).hello()) == 0 })
            socket.close()
            #expect(try eventually { try TestClient(path: fixture.path).hello() == 0 })
        }

        @Test(.enabled(if: geteuid() == 0, "needs a second user"))
        func strangersAreAnsweredAtOnceAndTakeNoSession() throws {
            let fixture = try ServiceFixture {
                $0.maximumSessions = 2
                $0.listening = $0.listening.open
            }
            defer { fixture.stop() }
            let before = fixture.held
            let strangers = try asUser(1000) { try (0..<40).map { _ in try TestClient(path: fixture.path) } }
            for stranger in strangers {
                let (answer, _) = try #require(try stranger.receive())
                #expect(answer.u32(0) == SessionFrame.Kind.hello.rawValue)
                #expect(answer.u32(4) == UInt32(EACCES))
            }
            #expect(fixture.held == before)
            #expect(waitFor(strangers[0].session, POLLHUP, 20_000))
            // The last ones, held for a moment, take their HELLO too.
            #expect(try eventually { try strangers[39].receive() == nil })
            _ = try TestClient.connected(path: fixture.path)
        }

        @Test(.enabled(if: geteuid() == 0, "needs a second user"))
        func theServicesPrivilegesSetNoOptionOfOtherUsers() throws {
            let fixture = try ServiceFixture {
                $0.allowsAnyUser = true
                $0.listening = $0.listening.open
            }
            defer { fixture.stop() }
            let options: [(level: Int32, name: Int32, value: [UInt8], ret: Int32)] = [
                (6, 13, Array("reno".utf8), -EPERM), (1, 73, [0, 16, 0, 0], -EPERM), (1, 12, [7, 0, 0, 0], -EPERM),
                (1, 12, [6, 0, 0, 0], 0),
            ]
            for user in [UInt32(1000), 0] {
                let client = try asUser(user) { try TestClient.connected(path: fixture.path) }
                let socket = try TestSocket(client, port: 1)
                #expect(try socket.open() == 0)
                for (level, name, value, ret) in options where user != 0 || name != 73 {
                    let request = Request.setsockopt(
                        id: socket.id, level: level, name: name, length: UInt32(value.count), outProducer: 0)
                    let expected = user == 0 ? 0 : ret
                    #expect(try client.call(request, value: value).ret == expected, "user \(user), option \(name)")
                }
            }
        }

        @Test func aPolicyThatIsReadAgainReplacesWhoIsAdmitted() {
            var configuration = ServiceConfiguration(listening: .descriptor(-1))
            configuration.admit(Policy(admission: .everyone, limits: Limits(sessionsPerUser: 3)))
            #expect(configuration.allowsAnyUser && configuration.maximumSessionsPerUser == 3)
            configuration.admit(Policy(admission: .users([1000])))
            #expect(!configuration.allowsAnyUser && configuration.allowedUsers == [1000])
            #expect(configuration.maximumSessionsPerUser == 1024)
            configuration.admit(Policy())
            #expect(configuration.allowedUsers.isEmpty)
        }

        @Test func aSessionThatSaysNothingIsClosedAndOneThatSpokeIsNot() throws {
            let fixture = try ServiceFixture { $0.helloLimit = 100_000_000 }
            defer { fixture.stop() }
            let talker = try TestClient.connected(path: fixture.path)
            let silent = try TestClient(path: fixture.path)
            #expect(waitFor(silent.session, POLLHUP, 20_000))
            #expect(try silent.receive() == nil)
            let socket = try TestSocket(talker, port: 1)
            #expect(try socket.open() == 0)
        }
    }
}
