import XenSockWire

let grant = GrantReference(0xdead_beef)
let channel = EventChannelPort(0xfffe_fdfc)
let socketID = SocketID(0xffff_8881_2345_6789)
let newID = SocketID(0x8000_0000_0000_0001)

/// One request of every command that `dialect` has, with values that use every bit, and with addresses of every kind
/// that it carries.
func requests(_ dialect: Dialect) -> [Request] {
    let ring: RingReference = dialect == .draft1 ? .pages : .indexesPage(grant)
    var addresses = [
        SocketAddress(), .ipv4(0xc0a8_01fe, port: 443), .ipv6(high: 1 << 63 | 5, low: .max, port: 8080, scope: 7),
        address(family: SocketAddress.unix, length: 28),
    ]
    if dialect == .xensock2 {
        addresses += [29, 110, 128].map { address(family: SocketAddress.unix, length: $0) }
    }
    var all: [Request] = addresses.flatMap { address in
        [
            Request.connect(id: socketID, address: address, flags: 0x8000_0800, ring: ring, eventChannel: channel),
            .bind(id: socketID, address: address),
        ]
    }
    all += [
        .release(id: socketID, reuse: false), .listen(id: socketID, backlog: dialect == .draft1 ? 10 : -1),
        .accept(id: socketID, newID: newID, ring: ring, eventChannel: channel),
        .unknown(command: 0xffff_ffff, id: socketID),
    ]
    switch dialect {
    case .draft1:
        all += [.poll(id: socketID)]
    case .pvcalls1:
        all += [
            .poll(id: socketID), .release(id: socketID, reuse: true),
            .socket(id: socketID, domain: 2, type: 1, protocol: 0xffff_fffe, eventChannel: 0, indexesPage: 0),
        ]
    case .xensock2:
        all += [
            .socket(id: socketID, domain: 10, type: 2, protocol: 17, eventChannel: channel, indexesPage: grant),
            .shutdown(id: socketID, how: 1, outProducer: 0xffff_fff0),
            .getsockname(id: socketID), .getpeername(id: socketID),
            .getsockopt(id: socketID, level: -1, name: .max, length: 512),
            .setsockopt(id: socketID, level: 6, name: .min, length: 4, outProducer: 0x8000_0001),
            .ioctl(id: socketID, request: 0x541b),
            .sendOOB(id: socketID, outProducer: .max, byte: 0xfe), .relay(id: socketID),
            .flush(id: socketID, outProducer: 0xffff_fff8), .recverr(id: socketID, offset: 512),
            .look(id: socketID),
        ]
    }
    return all
}

func draft1Pages() -> Draft1Pages {
    var pages = Draft1Pages()
    for index in 0..<64 {
        pages.references[index] = GrantReference(0xf000_0000 | UInt32(index * index))
    }
    return pages
}

let dialects: [Dialect] = [.draft1, .pvcalls1, .xensock2]
