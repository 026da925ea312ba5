import Glibc
import Testing

@testable import XenSockXen

/// The messages of the real XenStore's client (xen/io/xs_wire.h), with a scripted xenstored.
@Suite struct SystemStoreTests {
    let daemon = ScriptedStore()
    let store: SystemStore

    // enum xsd_sockmsg_type
    let directory: UInt32 = 1
    let read: UInt32 = 2
    let watch: UInt32 = 4
    let unwatch: UInt32 = 5
    let start: UInt32 = 6
    let end: UInt32 = 7
    let write: UInt32 = 11
    let remove: UInt32 = 13
    let permissions: UInt32 = 14
    let event: UInt32 = 15
    let error: UInt32 = 16
    let introduced: UInt32 = 17
    let directoryPart: UInt32 = 20

    init() throws { store = SystemStore(try StoreConnection(daemon.descriptor, isSocket: true)) }

    @Test func requestsAreOnesOfXenStore() throws {
        daemon.play([
            [(read, "value")], [(write, "OK|")], [(remove, "OK|")], [(permissions, "OK|")], [(directory, "a|bc|")],
            [(introduced, "T|")], [(introduced, "F|")],
        ])
        #expect(try store.read("data/x") == "value")
        try store.write("data/x", "a value")
        try store.remove("data/x")
        try store.setPermissions("data/x", owner: 3, readers: [0, 4])
        #expect(try store.list("data") == ["a", "bc"])
        #expect(try store.isIntroduced(5))
        #expect(try !store.isIntroduced(6))
        let requests = daemon.join()
        #expect(requests.map(\.type) == [read, write, remove, permissions, directory, introduced, introduced])
        #expect(
            requests.map(\.content) == [
                "data/x|", "data/x|a value", "data/x|", "data/x|n3|r0|r4|", "data|", "5|", "6|",
            ])
    }

    @Test func errorsHaveTheNumbersOfTheirNames() throws {
        daemon.play([
            [(error, "EACCES|")], [(error, "E2BIG|")], [(error, "EQUOTA|")], [(error, "EWHAT|")], [(error, "")],
            [(error, "ENOENT|")], [(error, "ENOENT|")],
        ])
        for errno in [EACCES, E2BIG, EDQUOT, EINVAL, EINVAL] {
            #expect(throws: XenError(.write, errno: errno, subject: "x")) { try store.write("x", "") }
        }
        #expect(try store.read("x") == nil)
        try store.remove("x/y")
    }

    @Test func eventsBeforeAnAnswerAreKept() throws {
        daemon.play([
            [(event, "data|t|"), (watch, "OK|")],
            [(event, "data/x|t|"), (event, "data/y|t|"), (read, "1")],
        ])
        try store.watch("data", token: "t")
        #expect(isReadable(store.descriptor))
        #expect(try store.read("data/x") == "1")
        var events: [String] = []
        while let event = store.nextEvent() { events.append("\(event.path) \(event.token)") }
        #expect(events == ["data t", "data/x t", "data/y t"])
        #expect(!isReadable(store.descriptor))
        _ = daemon.join()
        daemon.send(event, "data/z|t|")
        #expect(isReadable(store.descriptor))
        #expect(store.nextEvent()?.path == "data/z")
        // In parts.
        daemon.send(event, "data/z|t|", 0..<10)
        #expect(store.nextEvent() == nil && !isReadable(store.descriptor))
        daemon.send(event, "data/z|t|", 10..<20)
        #expect(store.nextEvent() == nil)
        daemon.send(event, "data/z|t|", 20..<25)
        #expect(store.nextEvent()?.path == "data/z")
        #expect(store.nextEvent() == nil && !isReadable(store.descriptor))
    }

    @Test func eventsBehindAnAnswerAreReadable() throws {
        daemon.play([[(watch, "OK|"), (event, "data|t|"), (event, "data/x|t|"), (event, "data|t|")]])
        try store.watch("data", token: "t")
        #expect(isReadable(store.descriptor))
        #expect(store.nextEvent()?.path == "data")
        #expect(isReadable(store.descriptor))
        #expect(store.nextEvent()?.path == "data/x")
        #expect(!isReadable(store.descriptor) && store.nextEvent() == nil)
    }

    @Test func eventsOfEndedWatchesDoNotCome() throws {
        daemon.play([
            [(watch, "OK|"), (event, "data|t|")], [(watch, "OK|"), (event, "data|u|")],
            [(event, "data/x|t|"), (unwatch, "OK|")],
        ])
        try store.watch("data", token: "t")
        try store.watch("data", token: "u")
        #expect(throws: XenError(.watch, errno: EEXIST, subject: "data")) { try store.watch("data", token: "t") }
        #expect(throws: XenError(.unwatch, errno: ENOENT, subject: "x")) { try store.unwatch("x", token: "t") }
        try store.unwatch("data", token: "t")
        _ = daemon.join()
        daemon.send(event, "data/y|t|")
        #expect(store.nextEvent()?.token == "u")
        #expect(store.nextEvent() == nil && !isReadable(store.descriptor))
    }

    @Test func aWatchThatFailsIsNone() throws {
        daemon.play([[(error, "E2BIG|")], [(watch, "OK|")]])
        #expect(throws: XenError(.watch, errno: E2BIG, subject: "data")) { try store.watch("data", token: "t") }
        try store.watch("data", token: "t")
        #expect(daemon.join().map(\.content) == ["data|t|", "data|t|"])
    }

    @Test func transactionsRunAgainAfterAConflict() throws {
        daemon.play([
            [(start, "7|")], [(read, "1")], [(error, "EAGAIN|")],
            [(start, "8|")], [(read, "2")], [(end, "OK|")],
            [(start, "9|")], [(end, "OK|")],
        ])
        var seen: [String?] = []
        var kept: (any XenStoreTransaction)?
        try store.transaction { (transaction) throws(XenError) in
            seen.append(try transaction.read("x"))
            kept = transaction
        }
        #expect(seen == ["1", "2"])
        #expect(throws: XenError.self) { try kept?.read("x") }
        #expect(throws: XenError(call: "mine", errno: EIO)) {
            try store.transaction { (_) throws(XenError) in throw XenError(call: "mine", errno: EIO) }
        }
        let requests = daemon.join()
        #expect(requests.map(\.transaction) == [0, 7, 7, 0, 8, 8, 0, 9])
        #expect(requests.map(\.content) == ["|", "x|", "T|", "|", "x|", "T|", "|", "F|"])
    }

    @Test func longListsComeInParts() throws {
        daemon.play([
            [(error, "E2BIG|")], [(directoryPart, "5|a|bc|")], [(directoryPart, "6|d|")], [(directoryPart, "6|a|bc|")],
            [(directoryPart, "6|d||")],
        ])
        #expect(try store.list("data") == ["a", "bc", "d"])
        let requests = daemon.join()
        #expect(requests.map(\.content) == ["data|", "data|0|", "data|5|", "data|0|", "data|5|"])
    }

    @Test func whatIsTooLongOrHoldsNULIsNotSent() throws {
        let long = String(repeating: "x", count: XenStoreLimits.request)
        #expect(throws: XenError(.write, errno: E2BIG, subject: "x")) { try store.write("x", long) }
        #expect(throws: XenError.self) { try store.read("a\0b") }
    }

    @Test func withoutXenstoredCallsFailAndNothingIsReadable() throws {
        daemon.hangUp()
        #expect(isReadable(store.descriptor))
        #expect(store.nextEvent() == nil)
        #expect(!isReadable(store.descriptor))
        for _ in 0..<2 { #expect(throws: XenError(.read, errno: ENOTCONN, subject: "x")) { try store.read("x") } }
    }
}
