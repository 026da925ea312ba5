/// What epoll watches, by index. The data of an event is the index and the generation of its entry, so that an event of
/// something that has been removed meanwhile finds nothing.
struct SourceTable {
    enum Target {
        case none
        case listener
        case session(Session)
        case process(Session)
        case doorbell(Service.Arena)
        case network(Service.Socket)
        case placeholder(Service.Socket)
        case v1Network(Service.V1)
        case v1Placeholder(Service.V1)
        case resolver
        case wakeup
        case hook(() -> Void)
        /// With the events of epoll.
        case events((UInt32) -> Void)
    }

    private struct Entry {
        var generation: UInt32
        var target: Target
    }

    private var entries: [Entry] = []
    private var free: [UInt32] = []

    /// The index of a new entry. Its target may follow (`set`), since what is watched must know its own data.
    mutating func add(_ target: Target) -> UInt32 {
        if let index = free.popLast() {
            entries[Int(index)].target = target
            return index
        }
        entries.append(Entry(generation: 1, target: target))
        return UInt32(truncatingIfNeeded: entries.count - 1)
    }

    mutating func set(_ index: UInt32, _ target: Target) { entries[Int(index)].target = target }

    mutating func remove(_ index: UInt32) {
        entries[Int(index)].target = .none
        entries[Int(index)].generation &+= 1
        free.append(index)
    }

    /// What to give to epoll.
    func data(_ index: UInt32) -> UInt64 { UInt64(entries[Int(index)].generation) << 32 | UInt64(index) }

    func target(_ data: UInt64) -> Target {
        let index = Int(data & 0xffff_ffff)
        guard index < entries.count, entries[index].generation == UInt32(truncatingIfNeeded: data >> 32) else {
            return .none
        }
        return entries[index].target
    }
}
