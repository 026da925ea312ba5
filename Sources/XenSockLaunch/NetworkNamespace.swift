import CXenSockLaunch
import Glibc

/// Moves this process into a fresh network namespace, which has no interface but a loopback that is down
/// (network_namespaces(7)). A caller that may not make one gets a user namespace around it, with its own user and group
/// id mapped to themselves and setgroups(2) denied (user_namespaces(7)).
///
/// - Throws: where the kernel's settings do not permit it, with the setting to change.
public func isolateNetwork() throws(LaunchError) {
    let alone = xs_unshare_network(0)
    if alone == 0 { return }
    guard alone == -EPERM else { throw LaunchError("cannot make a network namespace: \(describe(-alone))") }
    let user = geteuid()
    let group = getegid()
    let both = xs_unshare_network(1)
    guard both == 0 else { throw namespaceRefused(-both) }
    // An ordinary user may map the group only after giving up setgroups().
    for (file, text) in [("setgroups", "deny"), ("uid_map", "\(user) \(user) 1"), ("gid_map", "\(group) \(group) 1")] {
        if let error = write(text, to: "/proc/self/\(file)") { throw namespaceRefused(error) }
    }
}

private func write(_ text: String, to path: String) -> Int32? {
    let descriptor = open(path, O_WRONLY | O_CLOEXEC)
    guard descriptor >= 0 else { return errno }
    defer { close(descriptor) }
    return Glibc.write(descriptor, text, text.utf8.count) == text.utf8.count ? nil : errno
}

private func namespaceRefused(_ error: Int32) -> LaunchError {
    let settings = NamespaceSettings(
        unprivilegedUserNamespaces: number(in: "/proc/sys/kernel/unprivileged_userns_clone"),
        apparmorRestriction: number(in: "/proc/sys/kernel/apparmor_restrict_unprivileged_userns"),
        maximum: number(in: "/proc/sys/user/max_user_namespaces"))
    return LaunchError("--isolate: cannot make a user and network namespace: \(describe(error))\n\(settings.hint)")
}

private func number(in path: String) -> Int? {
    guard let file = ExecutableFile(path: path) else { return nil }
    return Int(String(decoding: file.bytes(at: 0, count: 32).prefix { $0 != UInt8(ascii: "\n") }, as: UTF8.self))
}

/// The kernel's settings that decide whether an ordinary user gets a namespace; nil where a kernel does not have one.
struct NamespaceSettings: Equatable {
    var unprivilegedUserNamespaces: Int?
    var apparmorRestriction: Int?
    var maximum: Int?

    /// What to change, for the administrator.
    var hint: String {
        if unprivilegedUserNamespaces == 0 {
            return "hint: as root, sysctl kernel.unprivileged_userns_clone=1, or run xensock as root"
        }
        if let apparmorRestriction, apparmorRestriction != 0 {
            return "hint: AppArmor restricts user namespaces: as root, "
                + "sysctl kernel.apparmor_restrict_unprivileged_userns=0, or run xensock as root"
        }
        if maximum == 0 {
            return "hint: as root, sysctl user.max_user_namespaces=10000, or run xensock as root"
        }
        return "hint: a container's seccomp filter or a limit of namespaces may forbid it; run xensock as root with "
            + "CAP_SYS_ADMIN, or outside of the container"
    }
}
