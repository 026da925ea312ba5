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

    /// Answers each request with the next entry: all its messages at once, as types and contents (NUL is `|`).
    func play(_ answers: [[(UInt32, String)]]) {
        thread = Thread { [self] in
            for messages in answers {
                guard let request = receive() else { return }
                requests.append(request)
                let bytes = messages.flatMap { Self.bytes($0.0, $0.1) }
                _ = write(end, bytes, bytes.count)
            }
        }
    }

    func join() -> [Request] {
        thread?.join()
        return requests
    }

    func hangUp() { shutdown(end, Int32(SHUT_RDWR)) }

    /// Sends some bytes of a message, so that it comes in parts.
    func send(_ type: UInt32, _ content: String, _ part: Range<Int>? = nil) {
        let bytes = Self.bytes(type, content)
        let range = part ?? bytes.indices
        _ = write(end, Array(bytes[range]), range.count)
    }

    private static func bytes(_ type: UInt32, _ content: String) -> [UInt8] {
        let content = content.utf8.map { $0 == UInt8(ascii: "|") ? 0 : $0 }
        let header = [type, 0, 0, UInt32(content.count)]
        return header.withUnsafeBytes { Array($0) } + content
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
