import XenSockPlatform
import XenSockRing
import XenSockWire

/// The names of a connected stream socket, once the service has told them: they do not change while the connection
/// stands. They are kept in the indexes page, from 2816 on, for all processes that have the socket; the backend never
/// reads them.
struct KnownNames {
    private let page: UnsafeMutableRawPointer
    private static let epochOffset = 2816
    private static let peerOffset = 2824
    private static let localOffset = 2864

    private init(_ page: UnsafeMutableRawPointer) { self.page = page }

    /// - Parameter page: the indexes page of a socket that begins, or connects again: whatever is known is of the past.
    static func forget(_ page: UnsafeMutableRawPointer) {
        let names = KnownNames(page)
        names.epoch.storeOrdered(names.epoch.load() &+ 1)
        SharedWord64(page + peerOffset).store(0)
        SharedWord64(page + localOffset).store(0)
    }

    /// Nil for a socket that is not connected now, as far as can be seen, or is of another kind.
    init?(_ handle: SocketHandle) {
        guard !handle.isV1, !handle.isDatagram, !handle.isUnix, !handle.isRelayed, case .connected = handle.status.state
        else { return nil }
        let socket = handle.socket
        guard !socket.input.producerValue().has(InProducer.endOfFile | InProducer.error),
            !socket.output.consumerValue().has(OutConsumer.broken), !handle.status.has(StatusLine.Flag.writeShut)
        else { return nil }
        page = socket.indexes
    }

    private var epoch: SharedWord32 { SharedWord32(page + Self.epochOffset) }

    /// What `store` is to be told that was read before the name was asked for.
    var now: UInt32 { epoch.loadOrdered() }

    /// The name, if it is known.
    func name(peer: Bool) -> SocketAddress? {
        let place = page + (peer ? Self.peerOffset : Self.localOffset)
        let word = SharedWord64(place).loadOrdered()
        let length = Int(word & 0xffff)
        // One of an earlier connection may be stored late.
        guard UInt32(truncatingIfNeeded: word >> 32) == epoch.loadOrdered(), length >= 16, length <= 28 else {
            return nil
        }
        var words = (UInt64(0), UInt64(0), UInt64(0), UInt64(0))
        words.0 = SharedWord64(place + 8).load()
        words.1 = SharedWord64(place + 16).load()
        words.2 = SharedWord64(place + 24).load()
        words.3 = UInt64(SharedWord32(place + 32).load())
        return withUnsafeBytes(of: &words) { SocketAddress(bytes: $0.baseAddress!, length: length) }
    }

    func store(_ name: SocketAddress, peer: Bool, now: UInt32) {
        guard name.length >= 16, name.length <= 28, epoch.loadOrdered() == now else { return }
        let place = page + (peer ? Self.peerOffset : Self.localOffset)
        if SharedWord64(place).loadOrdered() != 0 { return }
        var words = (UInt64(0), UInt64(0), UInt64(0), UInt64(0))
        withUnsafeMutableBytes(of: &words) { _ = name.copy(to: $0.baseAddress!, capacity: 28) }
        SharedWord64(place + 8).store(words.0)
        SharedWord64(place + 16).store(words.1)
        SharedWord64(place + 24).store(words.2)
        SharedWord32(place + 32).store(UInt32(truncatingIfNeeded: words.3))
        SharedWord64(place).store(UInt64(now) << 32 | UInt64(name.length))
    }
}
