import CXenSockLaunch
import Foundation
import Testing

@testable import XenSockLaunch

/// Held while a file is open for writing and while a process is spawned: a child that is not yet executed would hold the
/// file too, and who executes that meanwhile gets ETXTBSY.
let writingOrSpawning = NSLock()

/// A directory that goes away with its owner.
final class TemporaryDirectory {
    let path: String

    init() throws {
        var template = Array("/tmp/xensock-tests.XXXXXX".utf8CString)
        try #require(mkdtemp(&template) != nil)
        path = String(decoding: template.dropLast().map(UInt8.init(bitPattern:)), as: UTF8.self)
    }

    deinit { try? FileManager.default.removeItem(atPath: path) }

    /// Writes a file and gives it a mode; returns its path.
    @discardableResult
    func file(_ name: String, _ bytes: some Sequence<UInt8>, mode: Int = 0o755) throws -> String {
        let path = "\(self.path)/\(name)"
        try writingOrSpawning.withLock { try Data(bytes).write(to: URL(fileURLWithPath: path)) }
        try #require(chmod(path, mode_t(mode)) == 0)
        return path
    }
}

/// The headers of an ELF program, as far as the loader's choice depends on them.
struct ProgramFixture {
    var machine = ELFImage.machine
    var fileClass = UInt8(ELFCLASS64)
    var type = UInt16(ET_DYN)
    var interpreter: String? = "/lib64/ld-linux-x86-64.so.2"
    var noteName: String?

    var bytes: [UInt8] {
        var segments: [(type: UInt32, content: [UInt8])] = []
        if let interpreter { segments.append((UInt32(PT_INTERP), Array(interpreter.utf8) + [0])) }
        if let noteName {
            let name = Array(noteName.utf8) + [0]
            let padding = [UInt8](repeating: 0, count: (4 - name.count % 4) % 4)
            let sizes = [UInt32(name.count + padding.count), 4, 4].flatMap(Self.bytes(of:))
            segments.append((UInt32(PT_NOTE), sizes + name + padding + [1, 2, 3, 4]))
        }
        var header = Elf64_Ehdr()
        withUnsafeMutableBytes(of: &header.e_ident) {
            $0.copyBytes(from: [0x7f, 0x45, 0x4c, 0x46, fileClass, UInt8(ELFDATA2LSB), 1])
        }
        header.e_type = type
        header.e_machine = machine
        header.e_phoff = UInt64(MemoryLayout<Elf64_Ehdr>.size)
        header.e_phentsize = UInt16(MemoryLayout<Elf64_Phdr>.size)
        header.e_phnum = UInt16(segments.count)
        var offset = MemoryLayout<Elf64_Ehdr>.size + segments.count * MemoryLayout<Elf64_Phdr>.size
        var table: [UInt8] = []
        for segment in segments {
            var entry = Elf64_Phdr()
            entry.p_type = segment.type
            entry.p_offset = UInt64(offset)
            entry.p_filesz = UInt64(segment.content.count)
            table += Self.bytes(of: entry)
            offset += segment.content.count
        }
        return Self.bytes(of: header) + table + segments.flatMap(\.content)
    }

    private static func bytes<Value>(of value: Value) -> [UInt8] {
        withUnsafeBytes(of: value) { Array($0) }
    }
}
