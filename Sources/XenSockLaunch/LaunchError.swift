/// Why a command could not be run, with the exit status that says so.
public struct LaunchError: Error, Equatable {
    /// The status of `xensock`'s own failures.
    public static let ownFailure: Int32 = 125
    /// The status for a command that was found and is not executable.
    public static let notExecutable: Int32 = 126
    /// The status for a command that was not found.
    public static let notFound: Int32 = 127

    public let exitStatus: Int32
    /// One line or more for standard error, without the program's name and the last newline.
    public let message: String

    public init(exitStatus: Int32 = LaunchError.ownFailure, _ message: String) {
        self.exitStatus = exitStatus
        self.message = message
    }
}
