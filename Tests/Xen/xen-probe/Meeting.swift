import Glibc
import XenSockXen

/// Where both ends of a step leave words for each other: nodes of the guest's, watched.
struct Meeting {
    private let directory: String
    private let store: any XenStore

    init(_ name: String, directory: String, store: any XenStore) {
        self.directory = "\(directory)/\(name)"
        self.store = store
    }

    func tell(_ word: String, _ value: String = "1") throws { try store.write("\(directory)/\(word)", value) }

    /// Waits for the other end's word, by a watch of the node.
    func hear(_ word: String) throws -> String {
        let path = "\(directory)/\(word)"
        try store.watch(path, token: word)
        defer { try? store.unwatch(path, token: word) }
        while true {
            if let value = try store.read(path) { return value }
            try expect(waitReadable(store.descriptor, milliseconds: 30_000), "nobody told \(word)")
            while let event = store.nextEvent() {
                try expect(event.path.hasPrefix(path) && event.token == word, "an event of \(event)")
            }
        }
    }

    func hearNumbers(_ word: String) throws -> [UInt32] {
        try hear(word).split(separator: " ").compactMap { UInt32($0) }
    }
}

/// Whether the descriptor becomes readable in time, as poll(2) says it.
func waitReadable(_ descriptor: Int32, milliseconds: Int32) -> Bool {
    var entry = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
    return poll(&entry, 1, milliseconds) == 1 && entry.revents == Int16(POLLIN)
}

extension EventChannels {
    /// The port of the next event, waited for; nil if none comes in `milliseconds`.
    func awaitEvent(milliseconds: Int32 = 10_000) -> UInt32? {
        waitReadable(descriptor, milliseconds: milliseconds) ? nextPending() : nil
    }
}
