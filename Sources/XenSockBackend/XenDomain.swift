import Glibc
import Logging
import XenSockXen

/// One guest: what all its devices together may have, and the sockets of `pvcalls1` that outlive them.
final class XenDomain {
    let id: DomainID
    /// `/local/domain/ID/name`; nil where it cannot be read.
    let name: String?
    let configuration: XenConfiguration
    let log: Logger
    unowned let service: Service
    let kept: XenKeptPages

    /// Sockets of `pvcalls1`, those that still send what they were left included. Sessions count theirs themselves.
    var sockets = 0 {
        didSet { service.domainSockets[id.rawValue] = sockets > 0 ? sockets : nil }
    }
    /// Pages of the guest that are mapped.
    var mappedPages = 0
    /// Bytes that released sockets have yet to send.
    var leftoverBytes = 0
    var ready: [XenV1Socket] = []
    var draining: [XenV1Socket] = []
    private var isScheduled = false
    private var violations = ViolationLog()

    /// What released sockets may hold in memory, in bytes; more are reset.
    static let maximumLeftover = 16 << 20

    init(
        id: DomainID, name: String?, configuration: XenConfiguration, log: Logger, service: Service,
        kept: XenKeptPages
    ) {
        self.id = id
        self.name = name
        self.configuration = configuration
        self.service = service
        self.kept = kept
        var log = log
        log[metadataKey: "domain"] = "\(id)"
        if let name { log[metadataKey: "name"] = "\(name)" }
        self.log = log
    }

    /// One line about what the guest did, or was refused. A guest can fill the log with no more than a few a second.
    func report(_ level: Logger.Level = .warning, device: UInt32, _ text: @autoclosure () -> String) {
        guard let suppressed = violations.admit(now: service.kernel.now()) else { return }
        var metadata: Logger.Metadata = ["device": "\(device)"]
        if suppressed > 0 { metadata["suppressed"] = "\(suppressed)" }
        log.log(level: level, "\(text())", metadata: metadata)
    }

    // MARK: Work of sockets

    func queue(_ socket: XenV1Socket) {
        guard !socket.isQueued else { return }
        socket.isQueued = true
        ready.append(socket)
        schedule()
    }

    private func schedule() {
        guard !isScheduled else { return }
        isScheduled = true
        service.afterTurn { [weak self] in self?.work() }
    }

    /// One turn for each socket that has work.
    private func work() {
        isScheduled = false
        let sockets = ready
        ready.removeAll(keepingCapacity: true)
        for socket in sockets {
            socket.isQueued = false
            socket.turn()
        }
    }

    func drain(_ socket: XenV1Socket) {
        if draining.isEmpty {
            // The guest may be gone before its bytes are sent.
            service.everySecond { now in self.checkDrains(now: now) }
        }
        draining.append(socket)
    }

    /// The service ends: what released sockets have not sent is lost.
    func abandon() {
        for socket in draining { socket.discard() }
        draining = []
    }

    private func checkDrains(now: UInt64) -> Bool {
        for socket in draining { socket.checkDrain(now: now) }
        draining.removeAll { $0.isRemoved }
        return !draining.isEmpty
    }
}

/// The mapper of a guest's devices: counts what is mapped, and refuses what is beyond the guest's limit. What is only kept
/// makes room before.
final class XenDomainMapper: GrantMapper, @unchecked Sendable {
    private let mapper: any GrantMapper
    private let owner: XenDomain
    private let device: UInt32

    /// What the errors of a limit that was met, and logged, say that failed.
    static let refusal = "mapping within the domain's limit"

    init(_ mapper: any GrantMapper, owner: XenDomain, device: UInt32) {
        self.mapper = mapper
        self.owner = owner
        self.device = device
    }

    func map(_ references: [UInt32], of domain: DomainID) throws(XenError) -> GrantMapping {
        let limit = owner.configuration.pagesPerDomain
        if owner.mappedPages + references.count > limit {
            _ = owner.kept.drop(owner.mappedPages + references.count - limit, of: owner.id)
        }
        guard owner.mappedPages + references.count <= limit else {
            owner.report(
                .notice, device: device,
                "refused to map \(references.count) pages beside \(owner.mappedPages): --max-domain-pages is \(limit)")
            throw XenError(call: Self.refusal, errno: ENOSPC, subject: "\(references.count) pages of domain \(domain)")
        }
        let mapping = try mapAnyway(references, of: domain)
        owner.mappedPages += references.count
        return GrantMapping(base: mapping.base, pages: mapping.pages) { [owner] in
            mapping.unmap()
            owner.mappedPages -= references.count
        }
    }

    /// A full table of mapped grants looks like a bad reference: only another try tells. The guest's own pages go first, so
    /// that naming bad references costs others little.
    private func mapAnyway(_ references: [UInt32], of domain: DomainID) throws(XenError) -> GrantMapping {
        do throws(XenError) {
            return try mapper.map(references, of: domain)
        } catch {
            guard owner.kept.drop(references.count, of: owner.id) || owner.kept.drop(references.count) else {
                throw error
            }
        }
        do throws(XenError) {
            return try mapper.map(references, of: domain)
        } catch {
            guard owner.kept.drop(references.count) else { throw error }
            return try mapper.map(references, of: domain)
        }
    }
}
