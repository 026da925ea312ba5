import Foundation
import Testing

/// A stand-in for xensockd that knows only its side of `xensock run`: it listens, says so, and ends with the lifeline.
/// What it was given it writes to a journal.
final class FakeService {
    let directory: TemporaryDirectory
    let program: String
    var journal: String { directory.path + "/journal" }

    private static let script = """
        #!/usr/bin/python3
        import json, os, socket, sys
        journal = os.path.join(os.path.dirname(sys.argv[0]), "journal")
        words = sys.argv[1:]
        def option(name): return words[words.index(name) + 1]
        path, lifeline, ready = option("--socket"), int(option("--lifeline-fd")), int(option("--ready-fd"))
        failure = os.environ.get("FAKE_FAILURE")
        if failure is not None:
            os.write(ready, failure.encode())
            sys.exit(1)
        def link(name): return os.readlink("/proc/self/" + name)
        descriptors = sorted(int(fd) for fd in os.listdir("/proc/self/fd") if os.path.exists("/proc/self/fd/" + fd))
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        listener.bind(path)
        listener.listen()
        report = {
            "words": words, "session": os.getsid(0), "directory": os.getcwd(), "network": link("ns/net"),
            "output": link("fd/1"), "descriptors": descriptors, "expected": sorted([0, 1, 2, lifeline, ready]),
            "manager": sorted(set(os.environ) & {"NOTIFY_SOCKET", "LISTEN_PID", "LISTEN_FDS"}),
            "mode": oct(os.stat(os.path.dirname(path)).st_mode & 0o777), "process": os.getpid(),
        }
        with open(journal + ".new", "w") as file: json.dump(report, file)
        os.rename(journal + ".new", journal)
        os.write(ready, b"1")
        os.close(ready)
        os.read(lifeline, 1)
        os.unlink(path)
        os.rmdir(os.path.dirname(path))
        os.rename(journal, journal + ".ended")

        """

    init() throws {
        directory = try TemporaryDirectory()
        program = try directory.file("xensockd", Self.script.utf8)
    }

    /// What the service saw. It ends by itself, and then the journal has its other name.
    func report() throws -> [String: Any] {
        let running = try? Data(contentsOf: URL(fileURLWithPath: journal))
        let data = try running ?? Data(contentsOf: URL(fileURLWithPath: journal + ".ended"))
        return try #require(try JSONSerialization.jsonObject(with: data) as? [String: Any])
    }

    /// Waits until the service has ended, at most twenty seconds.
    func waitForEnd() -> Bool {
        for _ in 0..<2000 {
            if FileManager.default.fileExists(atPath: journal + ".ended") { return true }
            usleep(10_000)
        }
        return false
    }
}
