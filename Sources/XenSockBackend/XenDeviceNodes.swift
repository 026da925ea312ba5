import Glibc
import XenSockWire
import XenSockXen

/// A device's nodes in XenStore, as its backend reads and writes them (docs/PROTOCOL.md, 5.1).
struct XenDeviceNodes {
    let store: any XenStore
    /// The backend's directory, relative to this domain's.
    let directory: String
    /// The frontend's, absolute.
    let frontend: String

    static func name(_ node: StaticString) -> String { "\(node)" }

    private func own(_ node: StaticString) -> String { "\(directory)/\(node)" }

    /// The frontend's directory, if the toolstack has made the device of `domain` completely.
    static func frontend(of directory: String, domain: DomainID, in store: any XenStore) throws(XenError) -> String? {
        guard let path = try store.read("\(directory)/\(Node.frontend)"),
            let number = try store.read("\(directory)/\(Node.frontendID)"),
            // A directory that another domain could write would be another domain's device.
            path.hasPrefix(domain.path + "/"), UInt16(number) == domain.rawValue
        else { return nil }
        return path
    }

    static func state(_ text: String?) -> XenBusState? {
        guard let text, text.utf8.count <= 10, let number = UInt32(text) else { return nil }
        return XenBusState(rawValue: number) ?? .unknown
    }

    /// Nil if there is no such node, which a driver domain is told as EACCES: it may not look at what is above.
    func frontendState() throws(XenError) -> XenBusState? {
        do {
            return Self.state(try store.read("\(frontend)/\(Node.state)"))
        } catch {
            guard error.errno == EACCES else { throw error }
            return nil
        }
    }

    func ownState() throws(XenError) -> XenBusState? { Self.state(try store.read(own(Node.state))) }

    /// A toolstack that writes no such node has not taken the device away.
    func isOnline() throws(XenError) -> Bool { try store.read(own(Node.online)) != "0" }

    /// What the backend offers, in one transaction, and InitWait behind it.
    func publish(maximumPageOrder: UInt32, hasSessions: Bool) throws(XenError) {
        try change { transaction throws(XenError) in
            try transaction.write(own(Node.versions), "1")
            try transaction.write(own(Node.maximumPageOrder), "\(maximumPageOrder)")
            try transaction.write(own(Node.functionCalls), "1")
            if hasSessions { try transaction.write(own(Node.featureXenSock2), "1") }
            try transaction.remove(own(Node.error))
        }
        try setState(.initWait)
    }

    func setState(_ state: XenBusState) throws(XenError) {
        try change { transaction throws(XenError) in
            // Who serves the device next may be another backend, which has no such thing.
            if state == .closed { try transaction.remove(own(Node.featureXenSock2)) }
            try transaction.write(own(Node.state), "\(state.rawValue)")
        }
    }

    func setError(_ text: String) throws(XenError) {
        try change { transaction throws(XenError) in try transaction.write(own(Node.error), text) }
    }

    /// Removes the backend's directory.
    func remove() throws(XenError) { try store.remove(directory) }

    /// Changes nodes of the backend's directory, unless the toolstack has removed it: writing would make it again.
    private func change(_ body: (any XenStoreTransaction) throws(XenError) -> Void) throws(XenError) {
        try store.transaction { (transaction: any XenStoreTransaction) throws(XenError) in
            if try transaction.read(own(Node.frontend)) != nil { try body(transaction) }
        }
    }

    /// What a frontend wrote before Initialised.
    struct Offer: Equatable {
        var ring: UInt32
        var port: UInt32
        var isXenSock2: Bool
    }

    /// - Returns: nil with a reason for what makes no sense.
    func offer() throws(XenError) -> Result<Offer, OfferError> {
        do {
            // Node by node: a transaction over what the guest keeps changing would be tried again and again.
            let version = try store.read("\(frontend)/\(Node.version)")
            guard version == "1" else { return .failure(OfferError("version is not 1")) }
            guard let ring = Self.number(try store.read("\(frontend)/\(Node.ringReference)")) else {
                return .failure(OfferError("ring-ref is no number"))
            }
            guard let port = Self.number(try store.read("\(frontend)/\(Node.port)")) else {
                return .failure(OfferError("port is no number"))
            }
            let isXenSock2 = try store.read("\(frontend)/\(Node.xensock2)") == "1"
            return .success(Offer(ring: ring, port: port, isXenSock2: isXenSock2))
        } catch {
            // Not there, or not for this domain: the guest's doing either way.
            guard error.errno == EACCES else { throw error }
            return .failure(OfferError("\(error)"))
        }
    }

    struct OfferError: Error {
        let reason: String
        init(_ reason: String) { self.reason = reason }
    }

    private static func number(_ text: String?) -> UInt32? {
        guard let text, 1...10 ~= text.utf8.count, text.utf8.allSatisfy({ 48...57 ~= $0 }) else { return nil }
        return UInt32(text)
    }
}
