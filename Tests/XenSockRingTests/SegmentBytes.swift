@testable import XenSockRing

extension Segments {
    /// The bytes of both runs, in order.
    var array: [UInt8] { Array(first) + Array(second) }

    /// Whether both runs lie inside `size` bytes from `data`.
    func lie(in data: UnsafeMutableRawPointer, size: Int) -> Bool {
        [first, second].allSatisfy { run in
            guard run.count > 0, let start = run.baseAddress else { return run.count == 0 }
            return start >= data && start + run.count <= data + size
        }
    }
}

extension [UInt8] {
    /// Copies the bytes to both runs, whose size they have.
    func copy(to segments: Segments) {
        segments.first.copyBytes(from: prefix(segments.first.count))
        segments.second.copyBytes(from: dropFirst(segments.first.count))
    }
}
