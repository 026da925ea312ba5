import CXenSockSystem
import XenSockPlatform
import XenSockWire

/// Session frames (docs/PROTOCOL.md, 3.1).
enum Frames {
    /// Receives one frame of the handshake.
    ///
    /// - Returns: its size, or a negative errno; -ENETDOWN if the service closed the session.
    static func receive(
        _ socket: Int32, _ frame: UnsafeMutableRawPointer, _ capacity: Int, _ first: inout Int32,
        _ second: inout Int32, _ patience: inout Patience
    ) -> Int {
        var ready = 0
        while ready == 0 { ready = patience.awaitFrame(socket) }
        if ready < 0 { return ready }
        let length = xs_receive_descriptors(socket, frame, capacity, Int32(MSG_DONTWAIT), &first, &second)
        return length == 0 ? -Int(ENETDOWN) : length
    }

    /// Sends a frame without payload and up to two descriptors; -ETIMEDOUT if the service does not read.
    static func send(
        _ socket: Int32, _ kind: SessionFrame.Kind, _ argument: UInt32, _ first: Int32, _ second: Int32,
        _ patience: inout Patience
    ) -> Int {
        var frame = (kind.rawValue, argument)
        return patience.repeated { xs_send_descriptors(socket, &frame, 8, 0, first, second) }
    }

    /// Sends a frame whose payload is `id`, and two descriptors.
    static func send(
        _ socket: Int32, _ kind: SessionFrame.Kind, _ argument: UInt32, _ id: UInt64, _ first: Int32, _ second: Int32,
        _ patience: inout Patience
    ) -> Int {
        var frame = (kind.rawValue, argument, id)
        return patience.repeated { xs_send_descriptors(socket, &frame, 16, 0, first, second) }
    }

    /// Closes descriptors that nobody asked for.
    static func drop(_ first: Int32, _ second: Int32) {
        if first >= 0 { _ = Kernel.close(first) }
        if second >= 0 { _ = Kernel.close(second) }
    }
}

/// XenStore nodes in a frame: `name NUL value NUL` pairs.
enum Nodes {
    /// The decimal number that a node holds.
    ///
    /// - Parameter name: with its NUL.
    static func number(_ nodes: UnsafeRawPointer, _ length: Int, _ name: StaticString) -> UInt64? {
        let size = name.utf8CodeUnitCount
        var position = 0
        while position &+ size < length {
            if memcmp(nodes + position, name.utf8Start, size) == 0 {
                var value: UInt64 = 0
                var digit = position &+ size
                while digit < length {
                    let byte = nodes.load(fromByteOffset: digit, as: UInt8.self)
                    if byte == 0 { return digit > position &+ size ? value : nil }
                    guard byte >= 0x30, byte <= 0x39, value < 1 &<< 59 else { return nil }
                    value = value &* 10 &+ UInt64(byte &- 0x30)
                    digit &+= 1
                }
                return nil
            }
            position = next(nodes, length, position)
        }
        return nil
    }

    /// Where the pair behind the one at `position` begins.
    private static func next(_ nodes: UnsafeRawPointer, _ length: Int, _ start: Int) -> Int {
        var position = start
        var terminators = 0
        while position < length, terminators < 2 {
            if nodes.load(fromByteOffset: position, as: UInt8.self) == 0 { terminators &+= 1 }
            position &+= 1
        }
        return position
    }

    /// Whether a pair stands among the nodes.
    ///
    /// - Parameter pair: name and value, each with its NUL.
    static func has(_ nodes: UnsafeRawPointer, _ length: Int, _ pair: StaticString) -> Bool {
        let size = pair.utf8CodeUnitCount
        var position = 0
        while position &+ size <= length {
            if memcmp(nodes + position, pair.utf8Start, size) == 0 { return true }
            position = next(nodes, length, position)
        }
        return false
    }
}
