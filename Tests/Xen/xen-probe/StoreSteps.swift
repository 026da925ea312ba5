import Glibc
import XenSockXen

/// What a guest can check of XenStore alone.
let storeSteps: [Step] = [
    Step(name: "store-nodes", check: checkNodes), Step(name: "store-permissions", check: checkPermissions),
    Step(name: "store-watches", check: checkWatches),
    Step(name: "store-transactions", check: checkTransactions), Step(name: "store-quota-nodes", check: checkNodeQuota),
    Step(name: "store-quota-sizes", check: checkSizeQuota), Step(name: "store-quota-watches", check: checkWatchQuota),
    Step(name: "store-quota-transactions", check: checkTransactionQuota),
]

private func checkNodes(_ xen: XenPlatform) throws {
    let store = try xen.store()
    let own = try store.ownDomain
    try expect(own != .control, "a guest of number 0")
    try store.write("data/nodes/a", "1")
    try expect(store.read("\(own.path)/data/nodes/a") == "1", "relative and absolute paths differ")
    try expect(store.read("data/nodes") == "", "a directory has a value")
    try store.write("data/nodes/a", "")
    try expect(store.read("data/nodes/a") == "", "an empty value is not one")
    try store.makeDirectory("data/nodes/b")
    try store.makeDirectory("data/nodes/b")
    try expect(Set(store.list("data/nodes") ?? []) == ["a", "b"], "list")
    try expect(store.list("data/nodes/b")?.isEmpty == true, "list of nothing")
    try expect(store.read("data/nothing") == nil && store.list("data/nothing") == nil, "nodes that are not there")
    try store.remove("data/nodes")
    try store.remove("data/nodes")
    try store.remove("data/nodes/not/there")
    try expect(store.read("data/nodes/a") == nil, "it is still there")
    try expect(failure("bad path") { () throws(XenError) in _ = try store.read("data//x") }.errno == EINVAL, "errno")
    // For the control domain only.
    let introduced = try failure("introduced") { () throws(XenError) in _ = try store.isIntroduced(own) }
    try expect(introduced.errno == EACCES, "introduced")
}

private func checkPermissions(_ xen: XenPlatform) throws {
    let store = try xen.store()
    for path in ["device/pvcalls/0/state", "name", "/local/domain/0/x", "/tool/x"] {
        let error = try failure("write \(path)") { () throws(XenError) in try store.write(path, "1") }
        try expect(error.errno == EACCES, "write \(path)")
    }
    let own = try store.ownDomain
    try store.write("data/permissions", "1")
    try store.setPermissions("data/permissions", owner: own, readers: [.control, 7])
    let error = try failure("another owner") { () throws(XenError) in
        try store.setPermissions("data/permissions", owner: .control, readers: [])
    }
    try expect(error.errno == EPERM, "another owner")
    try store.remove("data/permissions")
}

private func checkWatches(_ xen: XenPlatform) throws {
    let store = try xen.store()
    func next() throws -> String {
        if let event = store.nextEvent() { return "\(event.path) \(event.token)" }
        try expect(waitReadable(store.descriptor, milliseconds: 5000), "no event")
        guard let event = store.nextEvent() else { throw Failure(description: "readable for nothing") }
        return "\(event.path) \(event.token)"
    }
    try expect(store.nextEvent() == nil && !waitReadable(store.descriptor, milliseconds: 0), "readable before")
    try store.watch("data/watched", token: "t")
    try expect(next() == "data/watched t", "the first event")
    try expect(!waitReadable(store.descriptor, milliseconds: 100) && store.nextEvent() == nil, "more than the first")
    try store.write("data/watched/x", "1")
    try expect(next() == "data/watched/x t", "a child's event")
    try store.remove("data/watched")
    try expect(next() == "data/watched t", "the removal's event")
    let error = try failure("watch twice") { () throws(XenError) in try store.watch("data/watched", token: "t") }
    try expect(error.errno == EEXIST, "watch twice")
    try store.unwatch("data/watched", token: "t")
    try expect(
        failure("unwatch") { () throws(XenError) in try store.unwatch("data/x", token: "t") }.errno == ENOENT, "")
    try store.write("data/watched", "1")
    try expect(!waitReadable(store.descriptor, milliseconds: 100), "an event after unwatch")
    try store.remove("data/watched")
}

private func checkTransactions(_ xen: XenPlatform) throws {
    let store = try xen.store()
    let other = try xen.store()
    var runs = 0
    try store.write("data/counter", "0")
    try store.transaction { (transaction) throws(XenError) in
        let value = Int(try transaction.read("data/counter") ?? "") ?? -1
        if runs == 0 { try other.write("data/counter", "10") }
        runs += 1
        try transaction.write("data/counter", "\(value + 1)")
        try transaction.makeDirectory("data/made")
        _ = try transaction.list("data")
    }
    try expect(runs == 2 && store.read("data/counter") == "11", "\(runs) runs")
    let error = try failure("abandoned") { () throws(XenError) in
        try store.transaction { (transaction) throws(XenError) in
            try transaction.remove("data/made")
            throw XenError(call: "mine", errno: EIO)
        }
    }
    try expect(error.call == "mine" && store.read("data/made") == "", "abandoned")
    runs = 0
    let again = try failure("always in conflict") { () throws(XenError) in
        try store.transaction { (transaction) throws(XenError) in
            runs += 1
            _ = try transaction.read("data/counter")
            try other.write("data/counter", "\(runs)")
            try transaction.write("data/made", "\(runs)")
        }
    }
    try expect(again.errno == EAGAIN && runs == XenStoreLimits.transactionAttempts, "\(runs) runs")
    try store.remove("data/counter")
    try store.remove("data/made")
}

private func checkNodeQuota(_ xen: XenPlatform) throws {
    let store = try xen.store()
    defer { try? store.remove("data/many") }
    let error = try failure("1100 nodes") { () throws(XenError) in
        for number in 0..<1100 { try store.write("data/many/\(number)", "1") }
    }
    try expect(error.limits.contains(.storeSpace), "\(error.errno)")
}

private func checkSizeQuota(_ xen: XenPlatform) throws {
    let store = try xen.store()
    for size in [2048, 4090] {
        let error = try failure("\(size) bytes") { () throws(XenError) in
            try store.write("data/large", String(repeating: "x", count: size))
        }
        try expect(error.limits.contains(.storeNodeSize), "\(error.errno)")
    }
    try store.write("data/large", String(repeating: "x", count: 1500))
    try expect(store.read("data/large")?.utf8.count == 1500, "a value of 1500 bytes")
    try store.remove("data/large")
}

private func checkWatchQuota(_ xen: XenPlatform) throws {
    let store = try xen.store()
    let error = try failure("140 watches") { () throws(XenError) in
        for number in 0..<140 { try store.watch("data", token: "\(number)") }
    }
    try expect(error.limits == [.storeWatches], "\(error.errno)")
}

private func checkTransactionQuota(_ xen: XenPlatform) throws {
    let store = try xen.store()
    func nest(_ depth: Int) throws(XenError) {
        try store.transaction { (_) throws(XenError) in if depth > 0 { try nest(depth - 1) } }
    }
    let error = try failure("15 transactions") { () throws(XenError) in try nest(15) }
    try expect(error.limits == [.storeTransactions], "\(error.errno)")
    try nest(5)
}
