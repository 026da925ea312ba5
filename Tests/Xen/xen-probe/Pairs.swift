import Glibc
import XenSockXen

/// A step with two ends.
struct Pair: Sendable {
    let name: String
    let guest: @Sendable (XenPlatform, Meeting) throws -> Void
    let backend: @Sendable (XenPlatform, DomainID, Meeting) throws -> Void
}

let pairs = [
    Pair(name: "pair-grants", guest: grantPages, backend: mapPages),
    Pair(name: "pair-events", guest: offerChannel, backend: bindChannel),
    Pair(name: "pair-restricted", guest: offerRestricted, backend: answerRestricted),
    Pair(name: "pair-watch", guest: changeNodes, backend: watchNodes),
]

private func list(_ numbers: [UInt32]) -> String { numbers.map(String.init).joined(separator: " ") }

// MARK: Grants

private func grantPages(_ xen: XenPlatform, _ meeting: Meeting) throws {
    let allocation = try xen.allocator.allocate(pages: 17, for: .control)
    let foreign = try xen.allocator.allocate(pages: 1, for: 9)
    for page in 0..<17 { allocation.base.storeBytes(of: UInt8(page + 1), toByteOffset: page * 4096, as: UInt8.self) }
    try meeting.tell("foreign", list(foreign.references))
    try meeting.tell("references", list(allocation.references))
    _ = try meeting.hear("mapped")
    try expect(allocation.base.load(as: UInt8.self) == 0xaa, "nothing of the backend's")
    allocation.base.storeBytes(of: 0xbb, as: UInt8.self)
    allocation.free()
    // What is freed does not count any more, though it is still mapped; but what is not does.
    try xen.allocator.allocate(pages: (xen.allocator.limit ?? 0) - foreign.pages, for: 9).free()
    try meeting.tell("freed")
    _ = try meeting.hear("unmapped")
    foreign.free()
    try meeting.tell("gone")
}

private func mapPages(_ xen: XenPlatform, _ domain: DomainID, _ meeting: Meeting) throws {
    let references = try meeting.hearNumbers("references")
    let mapping = try xen.mapper.map(references.reversed(), of: domain)
    let first = try xen.mapper.map([references[0]], of: domain)
    try expect(mapping.pages == 17, "pages")
    for page in 0..<17 {
        try expect((mapping.base + page * 4096).load(as: UInt8.self) == UInt8(17 - page), "page \(page)")
    }
    (mapping.base + 16 * 4096).storeBytes(of: 0xaa, as: UInt8.self)
    try expect(first.base.load(as: UInt8.self) == 0xaa, "two mappings of different pages")
    first.unmap()
    let foreign = try meeting.hearNumbers("foreign")
    for (what, wrong) in [("of another's", foreign), ("never granted", [30_000]), ("mixed", [references[1], 30_000])] {
        let error = try failure(what) { () throws(XenError) in _ = try xen.mapper.map(wrong, of: domain) }
        try expect(error.limits == [.mapTrack], "\(what): \(error.errno)")
    }
    let none = try failure("no page") { () throws(XenError) in _ = try xen.mapper.map([], of: domain) }
    try expect(none.errno == EINVAL, "no page")
    let nobody = try failure("of nobody") { () throws(XenError) in _ = try xen.mapper.map([8], of: .nobody) }
    try expect(nobody.errno == EINVAL, "of nobody: \(nobody.errno)")
    let many = try failure("too many") { () throws(XenError) in
        _ = try xen.mapper.map([UInt32](repeating: references[0], count: 70_000), of: domain)
    }
    try expect(many.limits == [.mappingSize], "too many: \(many.errno)")
    try meeting.tell("mapped")
    _ = try meeting.hear("freed")
    try expect((mapping.base + 16 * 4096).load(as: UInt8.self) == 0xbb, "pages were taken away")
    mapping.unmap()
    mapping.unmap()
    try meeting.tell("unmapped")
    _ = try meeting.hear("gone")
    // The guest's kernel looks once a second whether it can end a grant that was still mapped when it was freed.
    for attempt in 0... {
        usleep(500_000)
        do { try xen.mapper.map([references[16]], of: domain).unmap() } catch { break }
        try expect(attempt < 20, "grants that were freed can still be mapped")
    }
}

// MARK: Event channels

private func offerChannel(_ xen: XenPlatform, _ meeting: Meeting) throws {
    let channels = try xen.channels()
    let port = try channels.bindUnbound(for: .control)
    channels.notify(port)
    try meeting.tell("port", "\(port)")
    _ = try meeting.hear("bound")
    try expect(channels.nextPending() == port, "two events that came")
    try expect(channels.nextPending() == nil && !waitReadable(channels.descriptor, milliseconds: 50), "came twice")
    try meeting.tell("read")
    _ = try meeting.hear("again")
    try expect(!waitReadable(channels.descriptor, milliseconds: 50), "a masked port's event")
    channels.unmask(port)
    try expect(channels.awaitEvent() == port, "an event kept while masked")
    channels.unmask(port)
    try expect(channels.awaitEvent(milliseconds: 50) == nil, "events that were to coalesce")
    for _ in 0..<100 {
        channels.notify(port)
        try expect(channels.awaitEvent() == port, "an answer")
        channels.unmask(port)
    }
    try meeting.tell("played")
    _ = try meeting.hear("unbound")
    channels.notify(port)
    try meeting.tell("rebind")
    _ = try meeting.hear("rebound")
    channels.notify(port)
    _ = try meeting.hear("done")
}

private func bindChannel(_ xen: XenPlatform, _ domain: DomainID, _ meeting: Meeting) throws {
    let channels = try xen.channels()
    let remote = try meeting.hearNumbers("port")[0]
    let port = try channels.bindInterdomain(domain, port: remote)
    try expect(channels.awaitEvent() == port, "no event of the binding")
    let error = try failure("bound twice") { () throws(XenError) in
        _ = try channels.bindInterdomain(domain, port: remote)
    }
    try expect(error.errno == EINVAL, "bound twice: \(error.errno)")
    channels.unmask(port)
    channels.notify(port)
    channels.notify(port)
    try meeting.tell("bound")
    _ = try meeting.hear("read")
    channels.notify(port)
    channels.notify(port)
    try meeting.tell("again")
    for _ in 0..<100 {
        try expect(channels.awaitEvent() == port, "a question")
        channels.unmask(port)
        channels.notify(port)
    }
    _ = try meeting.hear("played")
    channels.unbind(port)
    try meeting.tell("unbound")
    _ = try meeting.hear("rebind")
    let other = try xen.channels()
    let again = try other.bindInterdomain(domain, port: remote)
    try expect(other.awaitEvent() == again, "no event of the second binding")
    other.unmask(again)
    try meeting.tell("rebound")
    try expect(other.awaitEvent() == again, "no event after the second binding")
    try meeting.tell("done")
}

/// A port that is bound stays usable on a descriptor that can bind no more, and on its duplicate.
private func offerRestricted(_ xen: XenPlatform, _ meeting: Meeting) throws {
    let channels = try xen.channels()
    let port = try channels.bindUnbound(for: .control)
    try channels.restrict(to: .nobody)
    try meeting.tell("port", "\(port)")
    _ = try meeting.hear("bound")
    channels.notify(port)
    let copy = dup(channels.descriptor)
    defer { close(copy) }
    try expect(waitReadable(copy, milliseconds: 10_000), "no answer")
    var number: UInt32 = 0
    try expect(read(copy, &number, 4) == 4 && number == port, "port \(number)")
    try expect(channels.nextPending() == nil, "read twice")
}

private func answerRestricted(_ xen: XenPlatform, _ domain: DomainID, _ meeting: Meeting) throws {
    let channels = try xen.channels()
    let port = try channels.bindInterdomain(domain, port: try meeting.hearNumbers("port")[0])
    try expect(channels.awaitEvent() == port, "no event of the binding")
    channels.unmask(port)
    try meeting.tell("bound")
    try expect(channels.awaitEvent() == port, "no event")
    channels.notify(port)
}

// MARK: XenStore

private func changeNodes(_ xen: XenPlatform, _ meeting: Meeting) throws {
    let store = try xen.store()
    _ = try meeting.hear("watching")
    try store.transaction { (transaction) throws(XenError) in
        try transaction.write("data/pair/a", "1")
        try transaction.write("data/pair/b", "2")
    }
    _ = try meeting.hear("made")
    try store.write("data/pair/device/state", "3")
    let error = try failure("write a sibling") { () throws(XenError) in try store.write("data/pair/back", "3") }
    try expect(error.errno == EACCES && store.read("data/pair/back") == "4", "the other end's node")
    try meeting.tell("written")
    _ = try meeting.hear("seen")
    try store.remove("data/pair")
}

private func watchNodes(_ xen: XenPlatform, _ domain: DomainID, _ meeting: Meeting) throws {
    let store = try xen.store()
    let directory = "\(domain.path)/data/pair"
    try store.watch(directory, token: "pair")
    try store.watch("@releaseDomain", token: "released")
    var seen: [String] = []
    func collect(until last: String) throws {
        while seen.last != last {
            try expect(waitReadable(store.descriptor, milliseconds: 10_000), "only \(seen)")
            while let event = store.nextEvent() { seen.append("\(event.path) \(event.token)") }
        }
    }
    try collect(until: "@releaseDomain released")
    try meeting.tell("watching")
    try collect(until: "\(directory)/b pair")
    try expect(seen.contains("\(directory)/a pair") && store.read("\(directory)/a") == "1", "\(seen)")
    // As a device's two ends.
    try store.transaction { (transaction) throws(XenError) in
        try transaction.makeDirectory("\(directory)/device")
        try transaction.setPermissions("\(directory)/device", owner: domain, readers: [.control])
    }
    try store.write("\(directory)/back", "4")
    try store.setPermissions("\(directory)/back", owner: .control, readers: [domain])
    try meeting.tell("made")
    _ = try meeting.hear("written")
    try expect(store.read("\(directory)/device/state") == "3", "the guest's node")
    try expect(store.isIntroduced(domain) && !store.isIntroduced(.nobody), "introduced")
    try meeting.tell("seen")
}
