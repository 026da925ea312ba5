import Foundation
import Testing

/// Runs `ring-stress`, which lies beside the tests: fork(2) is no way for a Swift test to get a second process.
struct RingStressTests {
    private static var program: URL {
        var directory = URL(fileURLWithPath: CommandLine.arguments[0]).deletingLastPathComponent()
        let own = Bundle.allBundles.map(\.bundleURL) + [Bundle.main.bundleURL]
        for candidate in own
        where FileManager.default.isExecutableFile(
            atPath: candidate.appendingPathComponent("ring-stress").path)
        {
            directory = candidate
        }
        return directory.appendingPathComponent("ring-stress")
    }

    @Test("Two processes pass 64 MiB each way over one memfd, with a real socket pair and doorbell", arguments: [1, 2])
    func hammer(seed: Int) throws {
        let process = Process()
        process.executableURL = Self.program
        process.arguments = [String(seed)]
        let errors = Pipe()
        process.standardError = errors
        try process.run()
        process.waitUntilExit()
        let said = String(decoding: errors.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
        #expect(process.terminationStatus == 0, "\(said)")
    }
}
