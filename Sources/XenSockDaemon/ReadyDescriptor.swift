import Glibc

/// Tells the process that started the service whether it listens.
package struct ReadyDescriptor {
    private let descriptor: Int32?

    package init(_ descriptor: Int32?) {
        self.descriptor = descriptor
        if let descriptor { _ = fcntl(descriptor, F_SETFD, FD_CLOEXEC) }
    }

    package func check() throws(DaemonError) {
        if let descriptor, fcntl(descriptor, F_GETFD) < 0 {
            throw DaemonError("--ready-fd \(descriptor): is no open descriptor")
        }
    }

    func reportListening() { report("1") }

    package func report(_ error: DaemonError) { report("\(error)\n") }

    private func report(_ text: String) {
        guard let descriptor else { return }
        writeAll(descriptor, text)
        close(descriptor)
    }
}
