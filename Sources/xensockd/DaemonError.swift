/// Why the service cannot start, in one line that says what to do.
struct DaemonError: Error, Equatable, CustomStringConvertible {
    let description: String

    init(_ description: String) { self.description = description }
}
