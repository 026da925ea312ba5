import Glibc
import Testing

@testable import XenSockDaemon

@Suite("What a backend domain must have")
struct XenRequirementsTests {
    /// A directory that stands for the root of a domain's files.
    private final class Root {
        let path: String

        init(_ files: [String]) {
            var template = Array("/tmp/xensock-root-XXXXXX".utf8CString)
            path = String(cString: mkdtemp(&template))
            for file in files { make(file) }
        }

        private func make(_ file: String) {
            var directory = path
            for part in file.split(separator: "/").dropLast() {
                directory += "/\(part)"
                mkdir(directory, 0o700)
            }
            let descriptor = open(path + file, O_CREAT | O_WRONLY, 0o600)
            if file == "/sys/hypervisor/type" { writeAll(descriptor, "xen\n") }
            close(descriptor)
        }
    }

    private func fault(_ files: [String]) -> String? {
        do throws(DaemonError) {
            try XenRequirements.check(root: Root(files).path)
            return nil
        } catch {
            return error.description
        }
    }

    private let xen = "/sys/hypervisor/type"
    private let devices = ["/dev/xen/gntdev", "/dev/xen/evtchn"]

    @Test func aSystemWithoutXenIsNamed() {
        #expect(fault([])?.contains("does not run on Xen") == true)
    }

    @Test func everythingThatIsMissingIsNamedAtOnce() throws {
        let text = try #require(fault([xen]))
        for part in [
            "/dev/xen/gntdev", "modprobe xen-gntdev", "/dev/xen/evtchn", "modprobe xen-evtchn", "xenfs", "xenstored",
        ] {
            #expect(text.contains(part), "\(part)")
        }
        #expect(fault([xen, "/dev/xen/xenbus"] + devices.prefix(1))?.contains("modprobe xen-gntdev") == false)
    }

    @Test func aDomainThatHasAllIsGood() {
        #expect(fault([xen, "/run/xenstored/socket"] + devices) == nil)
        #expect(fault([xen, "/dev/xen/xenbus"] + devices) == nil)
    }
}
