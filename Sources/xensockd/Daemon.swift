import Glibc
import Logging
import XenSockBackend

/// The service as a process: it starts, is told by signals and by its lifeline what to do, and ends.
final class Daemon {
    private let options: Options
    private let log: Logger

    init(_ options: Options) {
        self.options = options
        var log = Logger(label: "xensockd", factory: { _ in StandardErrorLog() })
        log.logLevel = options.logLevel ?? (environment("XENSOCK_DEBUG") == "1" ? .debug : .info)
        self.log = log
    }

    func run(ready: ReadyDescriptor) throws(DaemonError) {
    }
}
