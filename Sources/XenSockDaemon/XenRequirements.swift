import Glibc
import XenSockXen

/// What a domain must have before its service can serve guests.
enum XenRequirements {
    /// - Throws: ``DaemonError`` that names all that is missing, and how to get it.
    static func check(root: String = "") throws(DaemonError) {
        guard isXen(root) else {
            throw DaemonError(
                "--xen: this system does not run on Xen: /sys/hypervisor/type does not say xen, and there is no /proc/xen"
            )
        }
        let devices = [("gntdev", "xen-gntdev"), ("evtchn", "xen-evtchn")]
        var missing = devices.compactMap { name, module in fault(root + "/dev/xen/\(name)", module: module) }
        let stores = ["/run/xenstored/socket", "/var/run/xenstored/socket", "/dev/xen/xenbus", "/proc/xen/xenbus"]
        if !stores.contains(where: { access(root + $0, F_OK) == 0 }) {
            missing.append(
                "there is no way to XenStore: in the control domain mount xenfs (mount -t xenfs xenfs /proc/xen) and start "
                    + "xenstored")
        }
        guard missing.isEmpty else { throw DaemonError("--xen: " + missing.joined(separator: "; ")) }
    }

    private static func isXen(_ root: String) -> Bool {
        let type = try? readFile(root + "/sys/hypervisor/type", maximumLength: 64)
        return type?.starts(with: "xen".utf8) == true || access(root + "/proc/xen", F_OK) == 0
    }

    private static func fault(_ path: String, module: String) -> String? {
        if access(path, R_OK | W_OK) == 0 { return nil }
        switch errno {
        case ENOENT: return "\(path) is missing: modprobe \(module)"
        case EACCES, EPERM:
            return "\(path) is not for this user: run as root, or give the device to a group of the service"
        case let error: return "\(path): \(String(cString: strerror(error)))"
        }
    }
}
