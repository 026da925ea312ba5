/// Why the service cannot start, in one line that says what to do.
package struct DaemonError: Error, Equatable, CustomStringConvertible {
    package let description: String

    package init(_ description: String) { self.description = description }
}
