import CXenSockSystem

/// A position in a program's I/O vectors.
struct VectorCursor {
    private let vectors: UnsafePointer<iovec>
    private let count: Int
    private var vector = 0
    private var offset = 0
    /// Size of all vectors in bytes; of more than the kernel moves in one call, that.
    let total: Int

    /// The kernel's limit for one call, MAX_RW_COUNT in bytes.
    private static var maximum: Int { 0x7fff_f000 }

    /// - Returns: nil if a size is negative as a signed number (EINVAL).
    @inline(__always)
    init?(_ vectors: UnsafePointer<iovec>, _ count: Int) {
        self.vectors = vectors
        self.count = count
        var sum = 0
        var index = 0
        while index < count {
            let length = Int(truncatingIfNeeded: vectors[index].iov_len)
            if length < 0 { return nil }
            let room = Self.maximum &- sum
            sum &+= length < room ? length : room
            index &+= 1
        }
        total = sum
    }

    /// Whether the next `size` bytes of the program's buffers are there: else the call fails with EFAULT.
    ///
    /// - Parameter writing: they are to be stored to.
    @inline(__always)
    func isAccessible(_ size: Int, writing: Bool) -> Bool {
        var left = size
        var vector = vector
        var offset = offset
        while left > 0, vector < count {
            let room = Int(vectors[vector].iov_len) &- offset
            let part = room < left ? room : left
            if part > 0, !UserMemory.isAccessible(vectors[vector].iov_base.map { $0 + offset }, part, writing: writing)
            {
                return false
            }
            left &-= part
            vector &+= 1
            offset = 0
        }
        return true
    }

    /// Copies ring bytes to the program.
    @inline(__always)
    mutating func store(_ source: UnsafeMutableRawBufferPointer) {
        transfer(source, toProgram: true)
    }

    /// Copies the program's bytes to the ring.
    @inline(__always)
    mutating func load(into destination: UnsafeMutableRawBufferPointer) {
        transfer(destination, toProgram: false)
    }

    @inline(__always)
    private mutating func transfer(_ ring: UnsafeMutableRawBufferPointer, toProgram: Bool) {
        guard var position = ring.baseAddress else { return }
        var left = ring.count
        while left > 0, vector < count {
            let room = Int(vectors[vector].iov_len) &- offset
            let size = room < left ? room : left
            if size > 0, let base = vectors[vector].iov_base {
                if toProgram {
                    memcpy(base + offset, position, size)
                } else {
                    memcpy(position, base + offset, size)
                }
                position += size
                left &-= size
                offset &+= size
            }
            if offset >= Int(vectors[vector].iov_len) {
                vector &+= 1
                offset = 0
            }
        }
    }
}
