/// Placeholders whose other end an agent holds, as numbers where the service's own ends are descriptors: a socket does not
/// see the difference. `LinuxKernel` asks here for numbers that no descriptor has.
final class XenPlaceholders {
    /// The first of these numbers. Linux gives out descriptors up to fs.nr_open, 2^20 unless raised.
    static let first: Int32 = 1 << 24

    private var ports: [XenPort?] = []
    private var free: [Int] = []

    /// Gives a number to a port's placeholder, until `close`.
    func open(_ port: XenPort) -> Int32 {
        let index = free.popLast() ?? ports.count
        if index == ports.count { ports.append(nil) }
        ports[index] = port
        return Self.first + Int32(truncatingIfNeeded: index)
    }

    @inline(__always)
    subscript(_ number: Int32) -> XenPort? {
        let index = Int(number &- Self.first)
        return index >= 0 && index < ports.count ? ports[index] : nil
    }

    /// The number means nothing any more. The agent is told when the socket's port is given back (`XenArena.release`).
    func close(_ number: Int32) {
        guard self[number] != nil else { return }
        let index = Int(number &- Self.first)
        ports[index] = nil
        free.append(index)
    }
}
