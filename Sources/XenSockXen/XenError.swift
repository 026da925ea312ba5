import Glibc

/// A call to Xen that failed. Its description names the limit that was met, if it may be one, and how to raise it.
public struct XenError: Error, Equatable, Sendable, CustomStringConvertible {
    /// What failed: the C function, the ioctl, XenStore's message or the file (`XenCall`).
    public let call: String
    /// The error number that it left, positive.
    public let errno: Int32
    /// What it was about: a path, a port, a domain. Not for programs to read; may be empty.
    public let subject: String

    public init(call: String, errno: Int32, subject: String = "") {
        self.call = call
        self.errno = errno
        self.subject = subject
    }

    public init(_ call: XenCall, errno: Int32, subject: String = "") {
        self.init(call: call.rawValue, errno: errno, subject: subject)
    }

    /// The limits one of which was met, the likeliest first; empty if the error is none of a limit.
    public var limits: [XenLimit] {
        guard let call = XenCall(rawValue: call) else { return [] }
        return XenLimit.met(by: call, errno: errno)
    }

    public var description: String {
        var text = "\(call)\(subject.isEmpty ? "" : " (\(subject))"): \(String(cString: strerror(errno)))"
        let limits = limits.map { "\($0.meaning): \($0.remedy)" }
        if !limits.isEmpty {
            text += "; \(limits.joined(separator: "; or "))"
        } else if let call = XenCall(rawValue: call), let advice = Self.advice(call, errno) {
            text += "; \(advice)"
        }
        return text
    }

    /// What to do about errors that are none of a limit.
    private static func advice(_ call: XenCall, _ errno: Int32) -> String? {
        switch (call, errno) {
        case (.openMapper, ENOENT), (.openMapper, ENODEV), (.openMapper, ENXIO): "modprobe xen-gntdev, on Xen"
        case (.openAllocator, ENOENT), (.openAllocator, ENODEV), (.openAllocator, ENXIO):
            "modprobe xen-gntalloc, on Xen"
        case (.openChannels, ENOENT), (.openChannels, ENODEV), (.openChannels, ENXIO): "modprobe xen-evtchn, on Xen"
        case (.allocate, EPERM), (.lockAllocation, EPERM):
            "a fence (xensock agent --fence) leaves grants to user 0 only: run as root, or rm -r /sys/fs/bpf/xensock-gntalloc"
        case (.openStore, ENOENT), (.openStore, ECONNREFUSED):
            "needs /dev/xen/xenbus in a guest, a running xenstored in the control domain"
        case (.openMapper, EACCES), (.openAllocator, EACCES), (.openChannels, EACCES), (.openStore, EACCES):
            "Xen's devices are root's"
        case (.write, EACCES), (.makeDirectory, EACCES), (.remove, EACCES), (.setPermissions, EACCES):
            "this domain may not write there: only the toolstack makes devices"
        case (.bindInterdomain, ESRCH): "the other domain is gone"
        case (.bindInterdomain, EINVAL): "the other domain has no such port unbound for this one"
        case (.bindUnbound, ESRCH): "there is no such domain"
        case (.bindUnbound, EACCES), (.bindInterdomain, EACCES): "these channels are restricted to another domain"
        default: nil
        }
    }
}
