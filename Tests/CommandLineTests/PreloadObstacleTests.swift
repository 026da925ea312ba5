import CXenSockLaunch
import Foundation
import Testing

@testable import XenSockLaunch

@Suite struct PreloadObstacleTests {
    let directory: TemporaryDirectory

    init() throws { directory = try TemporaryDirectory() }

    private func obstacle(
        _ path: String, searchPath: String? = "/usr/bin:/bin", userID: uid_t = 1000
    ) -> PreloadObstacle? {
        unsuitableProgram(at: path, searchPath: searchPath, userID: userID, groupID: 1000)?.obstacle
    }

    private func obstacle(
        _ program: ProgramFixture, mode: Int = 0o755, userID: uid_t = 1000
    ) throws -> PreloadObstacle? {
        obstacle(try directory.file("program", program.bytes, mode: mode), userID: userID)
    }

    @Test func aProgramOfThisSystemIsSuitable() {
        #expect(obstacle("/bin/sh") == nil)
        #expect(obstacle("/bin/true") == nil)
    }

    @Test func aDynamicProgramIsSuitableInBothTypes() throws {
        #expect(try obstacle(ProgramFixture(type: UInt16(ET_DYN))) == nil)
        #expect(try obstacle(ProgramFixture(type: UInt16(ET_EXEC))) == nil)
    }

    @Test func aProgramWithoutALoaderIsStatic() throws {
        #expect(try obstacle(ProgramFixture(interpreter: nil)) == .staticallyLinked)
    }

    @Test func aProgramForAnotherMachineIsForeign() throws {
        let reason = "it is for another machine (ELF machine \(EM_S390))"
        #expect(try obstacle(ProgramFixture(machine: UInt16(EM_S390))) == .foreign(reason))
    }

    @Test func a32BitProgramIsForeign() throws {
        let reason = "it is not a 64-bit little-endian program"
        #expect(try obstacle(ProgramFixture(fileClass: UInt8(ELFCLASS32))) == .foreign(reason))
    }

    @Test func aProgramOfMuslIsRefusedWithItsLoader() throws {
        let loader = "/lib/ld-musl-x86_64.so.1"
        #expect(try obstacle(ProgramFixture(interpreter: loader)) == .musl(loader: loader))
    }

    @Test func aDynamicGoProgramIsRefused() throws {
        #expect(try obstacle(ProgramFixture(noteName: "Go\0")) == .goRuntime)
        #expect(try obstacle(ProgramFixture(noteName: "GNU")) == nil)
    }

    @Test func setUserIDOfAnotherUserIsRefusedAndOnesOwnIsNot() throws {
        let program = ProgramFixture()
        #expect(try obstacle(program, mode: 0o4755, userID: geteuid() + 1) == .setUserID)
        #expect(try obstacle(program, mode: 0o4755, userID: geteuid()) == nil)
    }

    @Test func setGroupIDNeedsTheGroupsExecuteBit() throws {
        let path = try directory.file("program", ProgramFixture().bytes, mode: 0o2755)
        let group = getegid()
        let other = unsuitableProgram(at: path, searchPath: nil, userID: geteuid(), groupID: group + 1)
        #expect(other == UnsuitableProgram(path: path, obstacle: .setGroupID))
        #expect(unsuitableProgram(at: path, searchPath: nil, userID: geteuid(), groupID: group) == nil)
        try #require(chmod(path, 0o2745) == 0)
        #expect(unsuitableProgram(at: path, searchPath: nil, userID: geteuid(), groupID: group + 1) == nil)
    }

    @Test func aScriptIsJudgedByItsInterpreter() throws {
        let program = try directory.file("static", ProgramFixture(interpreter: nil).bytes)
        let script = try directory.file("script", "#! \(program) -x\nanything".utf8)
        let second = try directory.file("second", "#!\(script)\n".utf8)
        #expect(
            unsuitableProgram(at: second, searchPath: nil, userID: 1000, groupID: 1000)
                == UnsuitableProgram(path: program, obstacle: .staticallyLinked))
    }

    @Test func envIsFollowedToTheProgramItFinds() throws {
        try directory.file("tool", ProgramFixture(interpreter: nil).bytes)
        let script = try directory.file("script", "#!/usr/bin/env tool\n".utf8)
        #expect(obstacle(script, searchPath: directory.path) == .staticallyLinked)
        #expect(obstacle(script, searchPath: "/nonexistent") == nil)
    }

    @Test(arguments: [
        ("-S tool", true), ("-S -i A=b tool -x", true), ("--split-string tool", true), ("-u A tool", false),
        ("tool -x", false), ("-S \"tool\"", false),
    ])
    func envsOptionsAreFollowedAsFarAsTheyAreClear(_ words: String, _ isFound: Bool) throws {
        try directory.file("tool", ProgramFixture(interpreter: nil).bytes)
        let script = try directory.file("script", "#!/usr/bin/env \(words)\n".utf8)
        #expect(obstacle(script, searchPath: directory.path) == (isFound ? .staticallyLinked : nil))
    }

    @Test func theLoaderItselfIsSuitable() throws {
        let bytes = ProgramFixture(type: UInt16(ET_DYN), interpreter: nil).bytes
        #expect(obstacle(try directory.file("ld-linux-x86-64.so.2", bytes)) == nil)
        #expect(obstacle(try directory.file("static-pie", bytes)) == .staticallyLinked)
    }

    @Test func everyObstacleSaysAWayOut() {
        let all: [PreloadObstacle] = [
            .setUserID, .setGroupID, .fileCapabilities, .staticallyLinked, .foreign("it is not"), .musl(loader: "x"),
            .goRuntime,
        ]
        for obstacle in all {
            #expect(!obstacle.wayOut.isEmpty && !obstacle.wayOut.hasSuffix("."))
        }
    }

    @Test func aTextWithoutAnInterpreterLineIsTheShells() {
        #expect(scriptInterpreter(Array("echo hello\n".utf8), searchPath: nil) == "/bin/sh")
        #expect(scriptInterpreter([0x4d, 0x5a, 0, 0], searchPath: nil) == nil)
        #expect(scriptInterpreter(Array("#!\n".utf8), searchPath: nil) == nil)
    }

    @Test func aScriptThatNamesItselfEnds() throws {
        let script = "\(directory.path)/loop"
        try directory.file("loop", "#!\(script)\n".utf8)
        #expect(obstacle(script) == nil)
    }

    @Test func headersThatPointBehindTheFileAreHarmless() throws {
        let bytes = ProgramFixture().bytes
        for length in [0, 4, 16, 63, 64, 70, 119] {
            // What is cut before PT_INTERP looks static, or like no program at all.
            let found = obstacle(try directory.file("cut", bytes.prefix(length)))
            #expect(found == nil || found == .staticallyLinked)
        }
        var wild = bytes
        wild.replaceSubrange(32..<40, with: [UInt8](repeating: 0xff, count: 8))
        #expect(obstacle(try directory.file("wild", wild)) == .staticallyLinked)
    }
}
