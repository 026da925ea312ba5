import Foundation
import Testing

@testable import XenSockLaunch

@Suite struct LaunchEnvironmentTests {
    @Test func theLibraryComesBeforeWhatWasPreloaded() {
        #expect(preloadList(adding: "/lib/x.so", to: nil) == "/lib/x.so")
        #expect(preloadList(adding: "/lib/x.so", to: "/a.so:/b.so") == "/lib/x.so:/a.so:/b.so")
        #expect(preloadList(adding: "/lib/x.so", to: "/a.so /b.so") == "/lib/x.so:/a.so:/b.so")
    }

    @Test func theLibraryIsNotPreloadedTwice() {
        #expect(preloadList(adding: "/lib/x.so", to: "/a.so:/lib/x.so") == "/lib/x.so:/a.so")
    }

    @Test func aRelativePathBecomesAbsolute() {
        #expect(absolutePath("/a/b") == "/a/b")
        #expect(absolutePath("a/b") == FileManager.default.currentDirectoryPath + "/a/b")
    }

    @Test func theHintNamesTheSettingThatForbids() {
        #expect(NamespaceSettings(unprivilegedUserNamespaces: 0).hint.contains("unprivileged_userns_clone=1"))
        #expect(
            NamespaceSettings(unprivilegedUserNamespaces: 1, apparmorRestriction: 1).hint
                .contains("apparmor_restrict_unprivileged_userns=0"))
        #expect(NamespaceSettings(apparmorRestriction: 0, maximum: 0).hint.contains("user.max_user_namespaces"))
        #expect(NamespaceSettings(maximum: 1000).hint.contains("container"))
    }

    @Test func theLifelineIsHighAndIsInheritedByTheCommandAlone() throws {
        let lifeline = try Lifeline()
        defer {
            close(lifeline.readingEnd)
            close(lifeline.writingEnd)
        }
        var limit = rlimit()
        getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
        #expect(lifeline.writingEnd >= min(900, Int32(clamping: limit.rlim_cur) - 8))
        #expect(fcntl(lifeline.writingEnd, F_GETFD) == 0)
        #expect(fcntl(lifeline.readingEnd, F_GETFD) == FD_CLOEXEC)
    }
}
