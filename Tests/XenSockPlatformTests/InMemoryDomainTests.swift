import CXenSockSystem
import Testing
import XenSockPlatform

struct InMemoryDomainTests {
    private let domain = InMemoryDomain()
    private let pair = InMemoryPlaceholder()

    init() { domain.placeholders[7] = pair }

    @Test func aWaitStepsTheOtherSideUntilTheTokenComes() {
        var steps = 0
        domain.step = { [pair] in
            steps += 1
            if steps == 5 { _ = pair.send(from: .service, 1) }
            return true
        }
        #expect(domain.awaitToken(7) == 1)
        #expect(steps >= 5)
        #expect(domain.receiveTokens(7, 1) == 1)
        #expect(domain.deadlocks.isEmpty)
    }

    @Test func aWaitThatNothingCanEndIsADeadlock() {
        #expect(domain.awaitToken(7) == -Int(EDEADLK))
        _ = domain.sendFiller(7)
        #expect(domain.awaitWritable(7, nanoseconds: -1) == -Int(EDEADLK))
        #expect(domain.deadlocks == [.awaitToken, .awaitWritable])
    }

    @Test func timeLimitsPassWhenNothingElseHappens() {
        domain.receiveTimeLimit = 3
        domain.step = { true }
        #expect(domain.awaitToken(7) == -Int(EAGAIN))
        domain.step = { false }
        _ = domain.sendFiller(7)
        #expect(domain.awaitWritable(7, nanoseconds: 1_000) == 0)
        #expect(domain.awaitWritable(7, nanoseconds: 0) == 0)
        #expect(domain.deadlocks.isEmpty)
    }

    @Test func waitsThatReturnAtOnceForEverAreALivelock() {
        var results: [Int] = []
        for _ in 0..<200 where results.last != -Int(EDEADLK) {
            results.append(domain.awaitWritable(7, nanoseconds: -1))
        }
        #expect(results.first == 1)
        #expect(results.last == -Int(EDEADLK))
    }

    @Test func deathEndsEveryWait() {
        pair.close(.service)
        #expect(domain.awaitToken(7) == 0)
        #expect(domain.awaitWritable(7, nanoseconds: -1) == 2)
        #expect(domain.isHungUp(7))
        #expect(!domain.sendFiller(7))
    }

    @Test func aSignalInterruptsAWait() {
        domain.interruptions = 2
        #expect(domain.awaitToken(7) == -Int(EINTR))
        #expect(domain.awaitWritable(7, nanoseconds: -1) == -Int(EINTR))
        #expect(domain.awaitWritable(7, nanoseconds: -1) == 1)
    }

    @Test func notificationsOfAPortAreOneUntilTaken() {
        domain.notify(9)
        domain.notify(3)
        domain.notify(9)
        #expect(domain.takeNotifications() == [3, 9])
        #expect(!domain.hasNotifications)
    }
}

struct DecoratorTests {
    private let base = InMemoryDomain()
    private let pair = InMemoryPlaceholder()

    init() { base.placeholders[7] = pair }

    @Test func aRecordNamesEachOperationAndItsResult() {
        let domain = RecordingDomain(base)
        _ = pair.send(from: .service, 1)
        domain.notify(4)
        #expect(domain.awaitToken(7) == 1)
        #expect(domain.receiveTokens(7, 2) == 1)
        #expect(domain.sendFiller(7))
        #expect(!domain.isHungUp(7))
        #expect(
            domain.takeEvents() == [
                DomainEvent(.notify, 4, result: 0), DomainEvent(.awaitToken, 7, result: 1),
                DomainEvent(.receiveTokens, 7, result: 1), DomainEvent(.sendFiller, 7, result: 1),
                DomainEvent(.isHungUp, 7, result: 0),
            ])
        #expect(domain.takeEvents().isEmpty)
    }

    @Test func delayedNotificationsComeLaterInOrderAndDelayedTokensAfterSomeLooks() {
        let domain = DelayingDomain(base, tokenDelay: { 2 })
        domain.notify(9)
        domain.notify(4)
        #expect(!base.hasNotifications)
        #expect(domain.deliver())
        #expect(base.takeNotifications() == [9])
        #expect(domain.deliver() && !domain.deliver())
        _ = pair.send(from: .service, 1)
        #expect(domain.receiveTokens(7, 1) == -Int(EAGAIN))
        #expect(domain.receiveTokens(7, 1) == -Int(EAGAIN))
        #expect(domain.receiveTokens(7, 1) == 1)
    }

    @Test func reorderedNotificationsAllCome() {
        let domain = ReorderingDomain(base, choose: { $0 - 1 })
        for port in 1...3 as ClosedRange<UInt32> { domain.notify(port) }
        var order: [UInt32] = []
        while domain.deliver() { order += base.takeNotifications() }
        #expect(order == [3, 2, 1])
    }

    @Test func droppedThingsAreGoneAndSaidToBeDone() {
        let domain = DroppingDomain(base, drops: { _ in true })
        _ = pair.send(from: .service, 1)
        domain.notify(4)
        #expect(domain.sendFiller(7))
        #expect(domain.receiveTokens(7, 1) == -Int(EAGAIN))
        #expect(!base.hasNotifications)
        #expect(pair.unread(at: .service) == 0 && pair.unread(at: .program) == 0)
    }
}
