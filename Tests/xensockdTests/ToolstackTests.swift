import Testing
import XenSockXen

@testable import XenSockDaemon

@Suite("Attaching and detaching by hand")
struct ToolstackTests {
    let xen = SimulatedXen()
    let frontend = "/local/domain/5/device/pvcalls/0"
    let backend = "/local/domain/0/backend/pvcalls/5/0"

    init() {
        _ = xen.platform(domain: .control)
        xen.createDomain(5)
    }

    /// - Parameter answer: what a backend does at each look.
    func toolstack(in domain: DomainID = .control, answer: @escaping (any XenStore) throws -> Void = { _ in }) throws
        -> Toolstack
    {
        let platform = xen.platform(domain: domain)
        let store = try xen.platform(domain: .control).store()
        return try Toolstack(store: platform.store) { try? answer(store) }
    }

    func node(_ path: String) -> String? { xen.nodes(under: path)[path] }

    @Test func aDeviceHasTheNodesAndPermissionsThatXlMakes() throws {
        var seen: String?
        let toolstack = try toolstack { store in
            // The frontend comes when the backend has published: Linux's looks only once.
            seen = try store.read("\(frontend)/state")
            try store.write("\(backend)/state", "2")
        }
        #expect(try toolstack.attach(toolstack.domain("5")).isServed)
        #expect(seen == nil)
        #expect(node("\(frontend)/backend") == backend)
        #expect(node("\(frontend)/backend-id") == "0")
        #expect(node("\(frontend)/state") == "1")
        #expect(node("\(backend)/frontend") == frontend)
        #expect(node("\(backend)/frontend-id") == "5")
        #expect(node("\(backend)/online") == "1")
        for name in ["", "/state", "/backend"] {
            #expect(xen.permissions(of: frontend + name)?.owner == 5)
            #expect(xen.permissions(of: frontend + name)?.readers == [0])
        }
        for name in ["", "/state", "/frontend"] {
            #expect(xen.permissions(of: backend + name)?.owner == 0)
            #expect(xen.permissions(of: backend + name)?.readers == [5])
        }
    }

    @Test func aDomainIsFoundByItsName() throws {
        let store = try xen.platform(domain: .control).store()
        try store.write("/local/domain/5/name", "guest")
        let toolstack = try toolstack()
        #expect(try toolstack.domain("guest") == 5)
        #expect(throws: DaemonError.self) { try toolstack.domain("gues") }
        #expect(throws: DaemonError.self) { try toolstack.domain("") }
    }

    @Test(arguments: ["0", "6", "70000", "nobody"]) func aDomainThatCannotHaveADeviceIsRefused(_ name: String) throws {
        let toolstack = try toolstack()
        #expect(throws: DaemonError.self) { try toolstack.domain(name) }
    }

    @Test func aSecondDeviceIsRefused() throws {
        let toolstack = try toolstack()
        #expect(try !toolstack.attach(5).isServed)
        let before = xen.nodes()
        #expect(throws: DaemonError.self) { try toolstack.attach(5) }
        #expect(xen.nodes() == before)
    }

    @Test func aGuestMakesNoDevices() throws {
        xen.createDomain(6)
        let before = xen.nodes()
        let toolstack = try toolstack(in: 6)
        do {
            _ = try toolstack.attach(5)
            Issue.record("made")
        } catch {
            #expect("\(error)".contains("control domain"))
        }
        #expect(xen.nodes().filter { $0.key.contains("/5/") } == before.filter { $0.key.contains("/5/") })
    }

    @Test(arguments: [true, false]) func aDeviceIsTakenAwayWhenItIsClosed(_ closes: Bool) throws {
        let before = xen.nodes(under: "/local/domain/5")
        var wasTold = false
        let toolstack = try toolstack { store in
            wasTold = try store.read("\(backend)/online") == "0" && store.read("\(backend)/state") == "5"
            if closes { try store.write("\(backend)/state", "6") }
        }
        _ = try self.toolstack().attach(5)
        #expect(try toolstack.detach(5) == closes)
        #expect(wasTold || closes)
        #expect(node(frontend) == nil)
        #expect(xen.nodes(under: "/local/domain/0/backend/pvcalls/5") == [:])
        let left = Set(xen.nodes(under: "/local/domain/5").keys).subtracting(before.keys)
        #expect(left.subtracting(["/local/domain/5/device/pvcalls"]) == [])
        #expect(throws: DaemonError.self) { try toolstack.detach(5) }
        _ = try toolstack.attach(5)
    }

    @Test func theBackendMayBeAnotherDomain() throws {
        xen.createDomain(7)
        let theirs = "/local/domain/7/backend/pvcalls/5/0"
        let toolstack = try toolstack { store in
            let isLeaving = try store.read("\(theirs)/state") == "5"
            // A driver domain removes what was taken away.
            if isLeaving { try store.remove(theirs) } else { try store.write("\(theirs)/state", "2") }
        }
        #expect(throws: DaemonError.self) { try toolstack.attach(5, backend: 5) }
        #expect(try toolstack.attach(5, backend: 7).isServed)
        #expect(node("\(frontend)/backend") == theirs)
        #expect(node("\(frontend)/backend-id") == "7")
        for name in ["", "/state"] {
            #expect(xen.permissions(of: frontend + name)?.owner == 5)
            #expect(xen.permissions(of: frontend + name)?.readers == [7])
            #expect(xen.permissions(of: theirs + name)?.owner == 7)
            #expect(xen.permissions(of: theirs + name)?.readers == [5])
        }
        #expect(throws: DaemonError.self) { try toolstack.attach(5) }
        #expect(try toolstack.detach(5))
        #expect(node(frontend) == nil && node(theirs) == nil)
    }

    @Test func aDeviceWhoseBackendsDomainIsGoneIsTakenAway() throws {
        xen.createDomain(7)
        _ = try toolstack { try $0.write("/local/domain/7/backend/pvcalls/5/0/state", "2") }.attach(5, backend: 7)
        xen.destroyDomain(7)
        var looks = 0
        let toolstack = try toolstack { _ in looks += 1 }
        #expect(try toolstack.detach(5))
        #expect(looks == 0)
        #expect(node(frontend) == nil)
        #expect(xen.nodes(under: "/local/domain/7").isEmpty)
        #expect(throws: DaemonError.self) { try toolstack.detach(5) }
    }

    @Test func aGuestDoesNotChooseWhatIsRemoved() throws {
        let store = try xen.platform(domain: .control).store()
        try store.write("/local/domain/0/backend/vbd/9/0/frontend", "/local/domain/9/device/vbd/0")
        let toolstack = try toolstack { try $0.write("\(backend)/state", "6") }
        _ = try toolstack.attach(5)
        try xen.platform(domain: 5).store().write("\(frontend)/backend", "/local/domain/0/backend/vbd/9/0")
        #expect(try toolstack.detach(5))
        #expect(node("/local/domain/0/backend/vbd/9/0/frontend") != nil)
        #expect(node(backend) == nil)
    }

    @Test func xlFindsTheDeviceWithItsDomain() throws {
        let store = try xen.platform(domain: .control).store()
        try store.makeDirectory("/libxl/5/device")
        let toolstack = try toolstack { try $0.write("\(backend)/state", "6") }
        _ = try toolstack.attach(5)
        #expect(node("/libxl/5/device/pvcalls/0/backend") == backend)
        #expect(node("/libxl/5/device/pvcalls/0/frontend") == frontend)
        _ = try toolstack.detach(5)
        #expect(node("/libxl/5/device/pvcalls/0") == nil)
    }
}
