import Glibc

/// xenstored's end of a connection: what a test expects to be asked, and what it answers.
final class ScriptedStore: @unchecked Sendable {
    struct Request: Equatable {
        let type: UInt32
        let transaction: UInt32
        let content: String
    }

    let descriptor: Int32
    private let end: Int32
    private(set) var requests: [Request] = []
    private var thread: Thread?

    init() {
        var pair: [Int32] = [0, 0]
        socketpair(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0, &pair)
        descriptor = pair[0]
        end = pair[1]
    }

    deinit { close(end) }

    /// Answers each request with the next entry: all its messages, as types and contents (NUL is `|`).
    func play(_ answers: [[(UInt32, String)]]) {
        thread = Thread { [self] in
            for messages in answers {
                guard let request = receive() else { return }
                requests.append(request)
                for (type, content) in messages { send(type, content) }
            }
        }
    }

    func join() -> [Request] {
        thread?.join()
        return requests
    }

    func hangUp() { shutdown(end, Int32(SHUT_RDWR)) }

    /// In pieces of a byte, so that messages come in parts.
    func send(_ type: UInt32, _ content: String) {
        let content = content.utf8.map { $0 == UInt8(ascii: "|") ? 0 : $0 }
        let header = [type, 0, 0, UInt32(content.count)]
        for byte in header.withUnsafeBytes({ Array($0) }) + content {
            var byte = byte
            write(end, &byte, 1)
        }
    }

    private func receive() -> Request? {
        guard let header = read(16)?.withUnsafeBytes({ Array($0.bindMemory(to: UInt32.self)) }),
            let content = read(Int(header[3]))
        else { return nil }
        let text = String(decoding: content.map { $0 == 0 ? UInt8(ascii: "|") : $0 }, as: UTF8.self)
        return Request(type: header[0], transaction: header[2], content: text)
    }

    private func read(_ count: Int) -> [UInt8]? {
        var bytes: [UInt8] = []
        while bytes.count < count {
            var byte: UInt8 = 0
            guard Glibc.read(end, &byte, 1) == 1 else { return nil }
            bytes.append(byte)
        }
        return bytes
    }
}
