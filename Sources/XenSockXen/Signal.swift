import CXenSockXen
import Glibc

/// An eventfd that is readable while it is raised.
final class Signal {
    let descriptor: Int32
    private var isRaised = false

    init() {
        descriptor = eventfd(0, O_NONBLOCK | O_CLOEXEC)
        precondition(descriptor >= 0, "no descriptors left for a simulation of Xen")
    }

    deinit { close(descriptor) }

    func set(_ raised: Bool) {
        guard raised != isRaised else { return }
        isRaised = raised
        var value: eventfd_t = 1
        _ = raised ? eventfd_write(descriptor, value) : eventfd_read(descriptor, &value)
    }
}
