import CXenSockLaunch

/// What an ELF file's headers say about how it is loaded (elf(5)).
struct ELFImage: Equatable {
    enum Format: Equatable {
        /// The class, byte order and machine this program was built for.
        case native
        case foreign(String)
    }

    var format: Format
    /// `e_type`: ET_EXEC, ET_DYN, …
    var type: UInt16
    /// The path in PT_INTERP, nil for a static program.
    var interpreter: String?
    /// Whether a note of the Go linker is there.
    var isGo: Bool

    #if arch(x86_64)
        static let machine = UInt16(EM_X86_64)
    #elseif arch(arm64)
        static let machine = UInt16(EM_AARCH64)
    #endif

    /// The kernel takes no longer table of program headers.
    private static let programHeaderLimit = 65536
    /// PATH_MAX, the kernel's bound of PT_INTERP.
    private static let interpreterLimit = 4096
    private static let noteLimit = 4096

    /// Reads the headers; nil if the file is no ELF file or is cut off.
    init?(of file: borrowing ExecutableFile) {
        let start = file.bytes(at: 0, count: MemoryLayout<Elf64_Ehdr>.size)
        guard start.count > Int(EI_DATA), start.starts(with: [0x7f, 0x45, 0x4c, 0x46]) else { return nil }
        guard start[Int(EI_CLASS)] == UInt8(ELFCLASS64), start[Int(EI_DATA)] == UInt8(ELFDATA2LSB) else {
            let reason = "it is not a 64-bit little-endian program"
            self.init(format: .foreign(reason), type: 0, interpreter: nil, isGo: false)
            return
        }
        guard start.count == MemoryLayout<Elf64_Ehdr>.size else { return nil }
        let header = start.withUnsafeBytes { $0.loadUnaligned(as: Elf64_Ehdr.self) }
        guard header.e_machine == Self.machine else {
            self.init(
                format: .foreign("it is for another machine (ELF machine \(header.e_machine))"), type: header.e_type,
                interpreter: nil, isGo: false)
            return
        }
        self.init(format: .native, type: header.e_type, interpreter: nil, isGo: false)
        let entrySize = MemoryLayout<Elf64_Phdr>.size
        guard Int(header.e_phentsize) == entrySize else { return }
        let tableSize = min(Int(header.e_phnum) * entrySize, Self.programHeaderLimit)
        let table = file.bytes(at: header.e_phoff, count: tableSize)
        for offset in stride(from: 0, through: table.count - entrySize, by: entrySize) {
            let segment = table.withUnsafeBytes { $0.loadUnaligned(fromByteOffset: offset, as: Elf64_Phdr.self) }
            if segment.p_type == UInt32(PT_INTERP), interpreter == nil {
                let size = Self.bounded(segment.p_filesz, Self.interpreterLimit)
                let path = file.bytes(at: segment.p_offset, count: size)
                interpreter = String(decoding: path.prefix { $0 != 0 }, as: UTF8.self)
            } else if segment.p_type == UInt32(PT_NOTE) {
                let notes = file.bytes(at: segment.p_offset, count: Self.bounded(segment.p_filesz, Self.noteLimit))
                isGo = isGo || Self.hasNote(named: Array("Go\0\0".utf8), in: notes)
            }
        }
    }

    private init(format: Format, type: UInt16, interpreter: String?, isGo: Bool) {
        self.format = format
        self.type = type
        self.interpreter = interpreter
        self.isGo = isGo
    }

    private static func bounded(_ size: UInt64, _ limit: Int) -> Int {
        Int(min(size, UInt64(limit)))
    }

    /// Walks notes: name size, descriptor size and type, four bytes each, then both padded to four bytes.
    private static func hasNote(named wanted: [UInt8], in notes: [UInt8]) -> Bool {
        func padded(_ size: UInt32) -> Int { (Int(size) + 3) & ~3 }
        var offset = 0
        while offset + 12 <= notes.count {
            let (nameSize, descriptorSize) = notes.withUnsafeBytes {
                (
                    $0.loadUnaligned(fromByteOffset: offset, as: UInt32.self),
                    $0.loadUnaligned(fromByteOffset: offset + 4, as: UInt32.self)
                )
            }
            let name = notes.dropFirst(offset + 12).prefix(Int(nameSize))
            if name.elementsEqual(wanted) { return true }
            offset += 12 + padded(nameSize) + padded(descriptorSize)
        }
        return false
    }
}
