import Glibc
import Testing
import XenSockPlatform
import XenSockTestSupport

@Suite struct StrangeDescriptorTests {
    @Test func oneThatMakesCloseWaitKeepsNobody() throws {
        let (descriptor, peer) = try #require(lingeringConnection(seconds: 60))
        let file = FileIdentity(descriptor)
        let clock = ContinuousClock()
        let taken = clock.measure { StrangeDescriptors.close(descriptor, of: 1) }
        #expect(taken < .seconds(45))
        // The queue goes on once the peer is gone.
        close(peer)
        let end = clock.now + .seconds(30)
        while FileIdentity(descriptor) == file, clock.now < end { usleep(10_000) }
        #expect(FileIdentity(descriptor) != file)
    }

    @Test func oneUsersKeepNoOthersWaiting() throws {
        let (descriptor, peer) = try #require(lingeringConnection(seconds: 60))
        let file = FileIdentity(descriptor)
        StrangeDescriptors.close(descriptor, of: 2)
        let clock = ContinuousClock()
        var pair: [Int32] = [-1, -1]
        let result = pipe(&pair)
        try #require(result == 0)
        StrangeDescriptors.close(pair[0], of: 3)
        var entry = pollfd(fd: pair[1], events: Int16(POLLIN), revents: 0)
        #expect(poll(&entry, 1, 30_000) == 1)
        close(pair[1])
        // A thread has taken the other's since, so another has taken the first.
        for _ in 0...StrangeDescriptors.most { StrangeDescriptors.close(dup(2), of: 2) }
        let end = clock.now + .seconds(30)
        while !StrangeDescriptors.isFull(2), clock.now < end { usleep(10_000) }
        #expect(StrangeDescriptors.isFull(2))
        #expect(!StrangeDescriptors.isFull(3))
        close(peer)
        while StrangeDescriptors.isFull(2), clock.now < end { usleep(10_000) }
        #expect(!StrangeDescriptors.isFull(2))
        while FileIdentity(descriptor) == file, clock.now < end { usleep(10_000) }
        #expect(FileIdentity(descriptor) != file)
    }
}
