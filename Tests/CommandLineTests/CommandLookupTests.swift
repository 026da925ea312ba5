import Foundation
import Testing

@testable import XenSockLaunch

@Suite struct CommandLookupTests {
    let directory: TemporaryDirectory

    init() throws { directory = try TemporaryDirectory() }

    @Test func theFirstDirectoryOfPathWins() throws {
        let found = try directory.file("true", "#!/bin/sh\n".utf8)
        #expect(try findCommand("true", searchPath: "\(directory.path):/bin") == found)
        #expect(try findCommand("true", searchPath: "/bin:\(directory.path)") == "/bin/true")
    }

    @Test func withoutPathTheSystemsDirectoriesAreSearched() throws {
        #expect(try findCommand("true", searchPath: nil) == "/bin/true")
    }

    @Test func aPathIsNotSearched() {
        #expect(throws: LaunchError(exitStatus: 127, "./true-of-nowhere: No such file or directory")) {
            try findCommand("./true-of-nowhere", searchPath: "/bin")
        }
    }

    @Test func anAbsentCommandIs127() {
        #expect(throws: LaunchError(exitStatus: 127, "nowhere: command not found")) {
            try findCommand("nowhere", searchPath: "/bin:/usr/bin")
        }
        #expect(throws: LaunchError(exitStatus: 127, "the command is empty")) {
            try findCommand("", searchPath: "/bin")
        }
    }

    @Test func aFileThatIsNotExecutableIs126UnlessAnotherIsFound() throws {
        let plain = try directory.file("true", "text".utf8, mode: 0o644)
        #expect(throws: LaunchError(exitStatus: 126, "\(plain): Permission denied")) {
            try findCommand("true", searchPath: directory.path)
        }
        #expect(try findCommand("true", searchPath: "\(directory.path):/bin") == "/bin/true")
    }

    @Test func aDirectoryIs126() {
        #expect(throws: LaunchError(exitStatus: 126, "/tmp: Is a directory")) {
            try findCommand("/tmp", searchPath: nil)
        }
    }
}
