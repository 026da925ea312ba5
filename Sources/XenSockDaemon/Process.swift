import Glibc

/// What the service sets up for itself as a process.
package enum Process {
    /// One connection takes two descriptors, so the usual soft limit of 1024 would be met soon.
    ///
    /// - Returns: how many descriptors it may have.
    static func raiseDescriptorLimit() -> rlim_t {
        var limit = rlimit()
        getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
        limit.rlim_cur = limit.rlim_max
        setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
        return limit.rlim_cur
    }

    /// Opens what is closed of the standard descriptors: a socket must not become the standard error.
    package static func openStandardDescriptors() {
        while true {
            let descriptor = open("/dev/null", O_RDWR)
            if descriptor > 2 { close(descriptor) }
            if descriptor < 0 || descriptor > 2 { return }
        }
    }

    /// Makes a descriptor that was inherited non-blocking, and keeps it from children.
    static func isolate(_ descriptor: Int32) {
        _ = fcntl(descriptor, F_SETFD, FD_CLOEXEC)
        _ = fcntl(descriptor, F_SETFL, fcntl(descriptor, F_GETFL) | O_NONBLOCK)
    }
}
