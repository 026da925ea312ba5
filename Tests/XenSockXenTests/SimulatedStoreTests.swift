import Glibc
import Testing
import XenSockXen

@Suite struct SimulatedStoreTests {
    let xen = SimulatedXen()
    let guest: any XenStore
    let control: any XenStore

    init() throws {
        guest = try xen.platform(domain: 1).store()
        control = try xen.platform(domain: .control).store()
    }

    func events(_ store: any XenStore) -> [String] {
        var events: [String] = []
        while let event = store.nextEvent() { events.append("\(event.path) \(event.token)") }
        return events
    }

    @Test func eachDomainKnowsItself() throws {
        #expect(try guest.ownDomain == 1)
        #expect(try control.ownDomain == .control)
        try control.remove("/local/domain/1/domid")
        let error = #expect(throws: XenError.self) { try guest.ownDomain }
        #expect(error?.errno == ENOENT)
    }

    @Test func nodesAreReadWrittenListedAndRemoved() throws {
        #expect(try control.read("/tool/a/b") == nil)
        try control.write("/tool/a/b", "1")
        try control.makeDirectory("/tool/a/c")
        try control.makeDirectory("/tool/a/b")
        #expect(try control.read("/tool/a") == "")
        #expect(try control.read("/tool/a/b") == "1")
        #expect(try control.list("/tool/a") == ["b", "c"])
        #expect(try control.list("/tool/nothing") == nil)
        try control.remove("/tool/a")
        try control.remove("/tool/a")
        try control.remove("/tool/nothing/at/all")
        #expect(try control.read("/tool/a/b") == nil)
        #expect(try control.list("/tool") == [])
    }

    @Test func relativePathsAreOfTheOwnDomain() throws {
        try guest.write("data/x", "y")
        #expect(try control.read("/local/domain/1/data/x") == "y")
        #expect(try guest.list("data") == ["x"])
    }

    @Test func aGuestWritesOnlyWhereXenLetsIt() throws {
        for path in ["data/x", "feature/x", "attr/x", "error/x", "control/shutdown"] { try guest.write(path, "1") }
        for path in ["device/pvcalls/0/state", "name", "domid", "control/x", "/local/domain/2/data/x", "/tool/x"] {
            let error = #expect(throws: XenError.self) { try guest.write(path, "1") }
            #expect(error?.errno == EACCES, "\(path)")
        }
        #expect(throws: XenError.self) { try guest.makeDirectory("device/pvcalls") }
        #expect(throws: XenError.self) { try guest.remove("device") }
        #expect(throws: XenError.self) { try guest.setPermissions("device", owner: 1, readers: []) }
        #expect(throws: XenError.self) { try guest.read("/tool") }
        #expect(try guest.read("name") == "guest-1")
        // It may not learn what is not there either.
        #expect(throws: XenError.self) { try guest.read("/tool/nothing") }
        #expect(try guest.read("device/nothing") == nil)
    }

    @Test func permissionsSayWhoWritesAndReads() throws {
        let other = try xen.platform(domain: 2).store()
        try control.makeDirectory("/local/domain/1/device/pvcalls/0")
        try control.setPermissions("/local/domain/1/device/pvcalls/0", owner: 1, readers: [2])
        try guest.write("device/pvcalls/0/state", "3")
        #expect(try other.read("/local/domain/1/device/pvcalls/0/state") == "3")
        #expect(throws: XenError.self) { try other.write("/local/domain/1/device/pvcalls/0/state", "4") }
        let error = #expect(throws: XenError.self) {
            try guest.setPermissions("device/pvcalls/0", owner: 2, readers: [])
        }
        #expect(error?.errno == EPERM)
        try guest.setPermissions("device/pvcalls/0/state", owner: 1, readers: [])
        #expect(throws: XenError.self) { try other.read("/local/domain/1/device/pvcalls/0/state") }
        let permissions = try #require(xen.permissions(of: "/local/domain/1/device/pvcalls/0/state"))
        #expect(permissions.owner == 1 && permissions.readers.isEmpty)
    }

    @Test func aWatchFiresAtOnceAndAtEachChangeBelow() throws {
        try control.watch("/tool/a", token: "t")
        #expect(isReadable(control.descriptor))
        #expect(events(control) == ["/tool/a t"])
        #expect(!isReadable(control.descriptor))
        try control.write("/tool/a/b", "1")
        try control.write("/tool/ab", "1")
        try control.write("/tool/a/b", "1")
        try control.makeDirectory("/tool/a/b")
        try control.remove("/tool")
        #expect(events(control) == ["/tool/a/b t", "/tool/a/b t", "/tool/a t"])
        try control.unwatch("/tool/a", token: "t")
        try control.write("/tool/a", "")
        #expect(events(control).isEmpty)
        #expect(throws: XenError.self) { try control.unwatch("/tool/a", token: "t") }
    }

    @Test func relativeWatchesHaveRelativeEvents() throws {
        try guest.watch("data", token: "d")
        try guest.watch("/local/domain/1/data", token: "D")
        #expect(throws: XenError.self) { try guest.watch("data", token: "d") }
        _ = events(guest)
        try control.write("/local/domain/1/data/x", "1")
        #expect(events(guest) == ["data/x d", "/local/domain/1/data/x D"])
    }

    @Test func aWatchDoesNotTellOfWhatMayNotBeRead() throws {
        try guest.watch("/tool", token: "t")
        #expect(events(guest) == ["/tool t"])
        try control.write("/tool/secret", "1")
        #expect(events(guest).isEmpty)
        try control.setPermissions("/tool/secret", owner: 0, readers: [1])
        #expect(events(guest) == ["/tool/secret t"])
        // It loses the right, and is told so.
        try control.setPermissions("/tool/secret", owner: 0, readers: [])
        #expect(events(guest) == ["/tool/secret t"])
    }

    @Test func transactionsAreSeenWholeOrNotAtAll() throws {
        try control.watch("/tool", token: "t")
        _ = events(control)
        try control.transaction { (transaction) throws(XenError) in
            try transaction.write("/tool/a", "1")
            try transaction.write("/tool/b", "2")
            #expect(try transaction.list("/tool") == ["a", "b"])
            #expect(xen.nodes(under: "/tool") == ["/tool": ""])
        }
        #expect(events(control) == ["/tool/a t", "/tool/b t"])
        #expect(throws: XenError(call: "mine", errno: EIO)) {
            try control.transaction { (transaction) throws(XenError) in
                try transaction.remove("/tool/a")
                throw XenError(call: "mine", errno: EIO)
            }
        }
        #expect(try control.read("/tool/a") == "1")
    }

    @Test func aTransactionMakesADeviceWithItsPermissions() throws {
        try control.transaction { (transaction) throws(XenError) in
            try transaction.makeDirectory("/local/domain/1/device/x/0")
            try transaction.setPermissions("/local/domain/1/device/x/0", owner: 1, readers: [0])
            try transaction.write("/local/domain/1/device/x/0/state", "1")
        }
        try guest.write("device/x/0/state", "3")
        let error = #expect(throws: XenError.self) {
            try control.setPermissions("/local/domain/1/device/x/0", owner: 77, readers: [])
        }
        #expect(error?.errno == ENOENT)
    }

    @Test func aTransactionRunsAgainWhenOthersWereInTheWay() throws {
        try control.write("/tool/counter", "0")
        var runs = 0
        try control.transaction { (transaction) throws(XenError) in
            let value = Int(try transaction.read("/tool/counter") ?? "") ?? -1
            if runs == 0 { try control.write("/tool/counter", "10") }
            runs += 1
            try transaction.write("/tool/counter", String(value + 1))
        }
        #expect(runs == 2)
        #expect(try control.read("/tool/counter") == "11")
        // Nobody used what changes here.
        runs = 0
        try control.transaction { (transaction) throws(XenError) in
            try control.write("/tool/other", "\(runs)")
            try transaction.write("/tool/counter", "0")
            runs += 1
        }
        #expect(runs == 1)
    }

    @Test func aTransactionGivesUpInTheEnd() throws {
        var runs = 0
        let error = #expect(throws: XenError.self) {
            try control.transaction { (transaction) throws(XenError) in
                runs += 1
                _ = try transaction.read("/tool/x")
                try control.write("/tool/x", "\(runs)")
            }
        }
        #expect(error?.errno == EAGAIN && runs == XenStoreLimits.transactionAttempts)
    }

    @Test func guestsHaveQuotas() throws {
        xen.setLimits(of: 1) {
            $0.storeNodes = 0
            $0.storeWatches = 2
            $0.storeTransactions = 1
        }
        var error = #expect(throws: XenError.self) { try guest.write("data/x", "1") }
        #expect(error?.limits.contains(.storeSpace) == true)
        error = #expect(throws: XenError.self) { try guest.write("data", String(repeating: "x", count: 2048)) }
        #expect(error?.limits.contains(.storeNodeSize) == true)
        error = #expect(throws: XenError.self) { try guest.write("data", String(repeating: "x", count: 4096)) }
        #expect(error?.errno == E2BIG)
        try guest.watch("data", token: "1")
        try guest.watch("data", token: "2")
        error = #expect(throws: XenError.self) { try guest.watch("data", token: "3") }
        #expect(error?.limits == [.storeWatches])
        #expect(xen.watches(of: 1) == 2)
        try guest.transaction { (_) throws(XenError) in
            error = #expect(throws: XenError.self) { try guest.transaction { (_) throws(XenError) in } }
        }
        #expect(error?.limits == [.storeTransactions])
        try guest.transaction { (_) throws(XenError) in }
        try control.write("/tool/x", String(repeating: "x", count: 3000))
    }

    @Test func pathsAreChecked() {
        for path in ["", "/", "a//b", "a/", "a b", "é", "/" + String(repeating: "x", count: 3072)] where path != "/" {
            let error = #expect(throws: XenError.self) { try guest.read(path) }
            #expect(error?.errno == EINVAL, "\(path)")
        }
    }
}
