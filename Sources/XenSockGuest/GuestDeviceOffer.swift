import XenSockRing
import XenSockWire
import XenSockXen

/// How the device comes to a connection (docs/PROTOCOL.md, 5.1).
extension GuestDevice {
    /// Publishes the command ring: Initialised.
    func offer() throws(XenError) {
        guard let handles else { return }
        let store = handles.store
        let versions = try store.read("\(backendDirectory)/\(Node.versions)") ?? ""
        guard versions.split(separator: ",").contains("1") else {
            return refuse("the backend speaks versions \"\(versions)\", not 1")
        }
        let order = try store.read("\(backendDirectory)/\(Node.maximumPageOrder)").flatMap { UInt32($0) } ?? 1
        let calls = try store.read("\(backendDirectory)/\(Node.functionCalls)") == "1"
        let offers = try store.read("\(backendDirectory)/\(Node.featureXenSock2)") == "1"
        let dialect = offers && wantsSessions ? Dialect.xensock2 : .pvcalls1
        self.dialect = dialect
        let made: GuestConnection.Offer
        do throws(XenError) {
            let page = try platform.allocator.allocate(pages: 1, for: backend)
            let port = try handles.channels.bindUnbound(for: backend)
            made = GuestConnection.Offer(
                page: page, ring: CommandRingFront(page: page.base, layout: .pvcalls), port: port)
        } catch {
            return refuse("\(error)")
        }
        let connection = GuestConnection(
            made, dialect: dialect, backend: backend, maximumPageOrder: min(max(order, 1), 9), performsCalls: calls,
            allocator: platform.allocator, channels: handles.channels
        ) { [unowned self] in violated($0) }
        let reference = made.page.references[0]
        let directory = directory
        try store.transaction { (nodes) throws(XenError) in
            try nodes.write("\(directory)/\(Node.version)", "1")
            try nodes.write("\(directory)/\(Node.ringReference)", "\(reference)")
            try nodes.write("\(directory)/\(Node.port)", "\(made.port)")
            if dialect == .xensock2 {
                try nodes.write("\(directory)/\(Node.xensock2)", "1")
            } else {
                try nodes.remove("\(directory)/\(Node.xensock2)")
            }
            try nodes.remove("\(directory)/\(Node.error)")
        }
        phase = .offered(connection)
        write(.initialised)
    }

    func establish(_ connection: GuestConnection) {
        phase = .connected
        write(.connected)
        connectedAt = monotonicTime()
        lastError = ""
        self.connection = connection
        log.info("connected to domain \(backend) (\(connection.dialect))")
        connected(connection)
    }
}
