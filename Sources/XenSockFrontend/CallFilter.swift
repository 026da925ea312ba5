import CXenSockSystem

/// A seccomp(2) filter: a classic BPF program over `struct seccomp_data`. What it says of a system call is computed as the
/// kernel computes it, before it is installed.
struct CallFilter {
    private let instructions: UnsafeRawPointer
    private let count: Int

    /// - Parameter program: a `struct sock_fprog`, the program's own.
    /// - Returns: nil for one that the kernel would refuse.
    init?(_ program: UnsafeRawPointer) {
        guard UserMemory.isAccessible(program, 16, writing: false) else { return nil }
        count = Int(program.load(as: UInt16.self))
        guard count > 0, count <= 4096,
            let instructions = UnsafeRawPointer(
                bitPattern: program.load(fromByteOffset: 8, as: UInt.self)),
            UserMemory.isAccessible(instructions, count &* 8, writing: false)
        else { return nil }
        self.instructions = instructions
    }

    /// Whether a system call is let through; its arguments are taken to be 0, but for the two that are given.
    func allows(_ number: Int, _ first: UInt32 = 0, _ second: UInt32 = 0) -> Bool {
        guard let action = run(UInt32(truncatingIfNeeded: number), first, second) else { return false }
        let allow: UInt32 = 0x7fff_0000
        let log: UInt32 = 0x7ffc_0000
        return action & 0xffff_0000 == allow || action & 0xffff_0000 == log
    }

    #if arch(x86_64)
        private static var architecture: UInt32 { 0xc000_003e }
    #else
        private static var architecture: UInt32 { 0xc000_00b7 }
    #endif

    /// The filter's return value; nil for an instruction that seccomp does not know.
    private func run(_ number: UInt32, _ first: UInt32, _ second: UInt32) -> UInt32? {
        var a: UInt32 = 0
        var x: UInt32 = 0
        return withUnsafeTemporaryAllocation(of: UInt32.self, capacity: 16) { memory -> UInt32? in
            memory.initialize(repeating: 0)
            var at = 0
            while at < count {
                let code = instructions.load(fromByteOffset: at &* 8, as: UInt16.self)
                let jumpTrue = Int(instructions.load(fromByteOffset: at &* 8 &+ 2, as: UInt8.self))
                let jumpFalse = Int(instructions.load(fromByteOffset: at &* 8 &+ 3, as: UInt8.self))
                let k = instructions.load(fromByteOffset: at &* 8 &+ 4, as: UInt32.self)
                at &+= 1
                switch code {
                case 0x20:  // LD W ABS
                    switch k {
                    case 0: a = number
                    case 4: a = Self.architecture
                    case 16: a = first
                    case 24: a = second
                    default: a = 0
                    }
                case 0x00: a = k  // LD IMM
                case 0x01: x = k  // LDX IMM
                case 0x80: a = 64  // LD W LEN
                case 0x81: x = 64  // LDX W LEN
                case 0x60: a = memory[Int(k & 15)]  // LD MEM
                case 0x61: x = memory[Int(k & 15)]  // LDX MEM
                case 0x02: memory[Int(k & 15)] = a  // ST
                case 0x03: memory[Int(k & 15)] = x  // STX
                case 0x07: x = a  // TAX
                case 0x87: a = x  // TXA
                case 0x06: return k  // RET K
                case 0x16: return a  // RET A
                case 0x05: at = k < UInt32(count) ? at &+ Int(k) : count  // JA
                case 0x15, 0x1d, 0x25, 0x2d, 0x35, 0x3d, 0x45, 0x4d:
                    let operand = code & 8 == 0 ? k : x
                    let holds: Bool
                    switch code & 0xf0 {
                    case 0x10: holds = a == operand
                    case 0x20: holds = a > operand
                    case 0x30: holds = a >= operand
                    default: holds = a & operand != 0
                    }
                    at &+= holds ? jumpTrue : jumpFalse
                case 0x84: a = 0 &- a  // NEG
                default:
                    guard code & 7 == 4, let result = Self.computed(code, a, code & 8 == 0 ? k : x) else { return nil }
                    a = result
                }
            }
            return nil
        }
    }

    private static func computed(_ code: UInt16, _ a: UInt32, _ operand: UInt32) -> UInt32? {
        switch code & 0xf0 {
        case 0x00: return a &+ operand
        case 0x10: return a &- operand
        case 0x20: return a &* operand
        case 0x30: return operand == 0 ? 0 : a / operand
        case 0x40: return a | operand
        case 0x50: return a & operand
        case 0x60: return operand < 32 ? a &<< operand : 0
        case 0x70: return operand < 32 ? a &>> operand : 0
        case 0xa0: return a ^ operand
        default: return nil
        }
    }
}
