import Glibc
import XenSockRing
import XenSockWire
import XenSockXen

/// Xen below a socket of `pvcalls1`: the data ring's pages are mapped while a CONNECT or ACCEPT needs them, and an event
/// channel of its own says to each side that the other moved (docs/PROTOCOL.md, 5.6 and 5.7).
final class XenV1Channel: V1Channel {
    private unowned let device: any XenDeviceServices
    private let maximumOrder: UInt32
    /// Runs at each event of the frontend.
    var notified: () -> Void = {}
    /// This domain's port, while a ring is mapped.
    private var port: UInt32?
    /// Why the last `map` failed, if not for something that the frontend did wrong.
    private(set) var shortage: XenError?
    private var isShownConnected = false
    private var hasNothingNew = false

    init(device: any XenDeviceServices, maximumOrder: UInt32) {
        self.device = device
        self.maximumOrder = maximumOrder
    }

    func map(_ ring: RingReference, _ pages: Draft1Pages, _ eventChannel: EventChannelPort) -> V1Mapping? {
        shortage = nil
        guard case .indexesPage(let reference) = ring, port == nil else { return nil }
        do throws(XenError) {
            let indexes = try device.mapper.map([reference.rawValue], of: device.domain)
            let mapping = try mapData(indexes, eventChannel)
            if mapping == nil { indexes.unmap() }
            return mapping
        } catch {
            if Self.isShortage(error) { shortage = error }
            return nil
        }
    }

    /// - Parameter indexes: kept by what is returned.
    private func mapData(_ indexes: GrantMapping, _ eventChannel: EventChannelPort) throws(XenError) -> V1Mapping? {
        let order = SharedWord32(indexes.base + IndexesPage.ringOrder).load()
        guard order <= maximumOrder, let layout = DataRingLayout(order: order) else { return nil }
        let references = (0..<layout.pages).map {
            SharedWord32(indexes.base + DataRingLayout.referenceOffset(page: $0)).load()
        }
        // What a failure leaves mapped goes with its last reference.
        let data = try device.mapper.map(references, of: device.domain)
        port = try device.bind(remotePort: eventChannel.rawValue) { [weak self] in self?.notified() }
        let half = UInt32(truncatingIfNeeded: layout.inSize)
        return V1Mapping(ring: V1Ring(indexes: indexes.base, data: data.base, half: half)) { [weak self] in
            self?.unbind()
            data.unmap()
            indexes.unmap()
        }
    }

    /// Whether this domain lacks something. Otherwise the frontend named what it has not granted, or no port of its own.
    private static func isShortage(_ error: XenError) -> Bool {
        switch error.errno {
        case ENOMEM, ENOSPC, EMFILE, ENFILE, EAGAIN: true
        default: false
        }
    }

    private func unbind() {
        guard let port else { return }
        self.port = nil
        isShownConnected = false
        device.unbind(port)
    }

    private func notify() {
        if let port { device.notify(port) }
    }

    func published(isEmpty: () -> Bool) throws(RingViolation) { notify() }

    func consumed(hasRoom: Bool) throws(RingViolation) {
        // A connection that begins has moved nothing, and an event that announces nothing costs the frontend.
        guard !hasNothingNew else { return hasNothingNew = false }
        notify()
    }

    func show(_ state: StatusLine.State, error: Int32) {
        guard state == .connected, !isShownConnected else { return }
        isShownConnected = true
        hasNothingNew = true
    }

    // What the local platform shows beside the dialect, the frontend here finds in the ring's words and in answers.
    func look(isEmpty: () -> Bool, hasRoom: Bool) throws(RingViolation) {}
    func announceArrival() throws(RingViolation) {}
    func losePoll() throws(RingViolation) {}
    func endInput() {}

    func close() { unbind() }
}
