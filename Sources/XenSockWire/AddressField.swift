/// Addresses in entries: 28 bytes inline, and longer ones at the start of the argument slot.
extension Words {
    /// Writes `address` to the 28 bytes at `offset` (a multiple of 4), or, if it is longer, to `overflow`.
    /// False, and nothing written, if there is no room for it.
    mutating func putAddress(
        _ address: SocketAddress, at offset: Int, overflow: UnsafeMutableRawPointer?
    ) -> Bool {
        if address.length > SocketAddress.inlineCapacity {
            guard let overflow else { return false }
            Words<16>(storage: address.words).store(to: overflow)
            return true
        }
        for index in 0..<7 {
            let half = UInt32(truncatingIfNeeded: address.words[index &>> 1] &>> UInt64((index & 1) &* 32))
            set(offset &+ 4 &* index, half)
        }
        return true
    }

    /// The address of `length` bytes at `offset`, or from `overflow` if that is longer than fits inline. Nil if it is
    /// longer than either place allows. The slot is read once; the length was read before, by the caller.
    func address(at offset: Int, length: UInt32, overflow: UnsafeRawPointer?) -> SocketAddress? {
        if length > UInt32(SocketAddress.inlineCapacity) {
            guard length <= UInt32(SocketAddress.capacity), let overflow else { return nil }
            return SocketAddress(words: Words<16>(loading: overflow).storage, length: Int(length))
        }
        var words = InlineArray<16, UInt64>(repeating: 0)
        for index in 0..<7 {
            words[index &>> 1] |= UInt64(u32(offset &+ 4 &* index)) &<< UInt64((index & 1) &* 32)
        }
        return SocketAddress(words: words, length: Int(length))
    }
}

extension Words {
    init(storage: InlineArray<count, UInt64>) {
        self.storage = storage
    }
}
