import Glibc
import XenSockXen

/// What a guest can check of event channels alone.
let channelSteps: [Step] = [
    Step(name: "channels-idle", check: checkIdle), Step(name: "channels-restricted", check: checkRestricted),
    Step(name: "channels-limit", check: checkChannelLimit),
    Step(name: "channels-errors", check: checkChannelErrors),
]

private func checkIdle(_ xen: XenPlatform) throws {
    let channels = try xen.channels()
    try expect(fcntl(channels.descriptor, F_GETFL) & O_NONBLOCK != 0, "blocking")
    try expect(fcntl(channels.descriptor, F_GETFD) & FD_CLOEXEC != 0, "inherited by programs")
    let port = try channels.bindUnbound(for: .control)
    try expect(port > 0, "port 0")
    try expect(channels.nextPending() == nil && !waitReadable(channels.descriptor, milliseconds: 50), "pending")
    // Nobody is at the other end; none of it is an error.
    channels.notify(port)
    channels.notify(port + 1)
    channels.unmask(port + 1)
    channels.unbind(port)
    channels.unbind(port)
    channels.notify(port)
    try expect(channels.nextPending() == nil, "pending after unbind")
}

private func checkRestricted(_ xen: XenPlatform) throws {
    let channels = try xen.channels()
    try expect(
        failure("to domain 0") { () throws(XenError) in try channels.restrict(to: .control) }.errno == EINVAL,
        "to domain 0")
    _ = try channels.bindUnbound(for: .control)
    try channels.restrict(to: .nobody)
    let unbound = try failure("bind unbound") { () throws(XenError) in _ = try channels.bindUnbound(for: .control) }
    let bound = try failure("bind") { () throws(XenError) in _ = try channels.bindInterdomain(.control, port: 1) }
    let again = try failure("restrict") { () throws(XenError) in try channels.restrict(to: 1) }
    for error in [unbound, bound, again] { try expect(error.errno == EACCES, "\(error.errno)") }
}

private func checkChannelLimit(_ xen: XenPlatform) throws {
    let channels = try xen.channels()
    var ports: [UInt32] = []
    let error = try failure("all event channels") { () throws(XenError) in
        for _ in 0..<5000 { ports.append(try channels.bindUnbound(for: .control)) }
    }
    print("\(ports.count) ports")
    try expect(error.limits == [.eventChannels], "\(error.errno)")
    channels.unbind(ports.removeLast())
    _ = try channels.bindUnbound(for: .control)
}

private func checkChannelErrors(_ xen: XenPlatform) throws {
    let channels = try xen.channels()
    let port = try failure("no such port") { () throws(XenError) in
        _ = try channels.bindInterdomain(.control, port: 1000)
    }
    try expect(port.errno == EINVAL, "\(port.errno)")
    let domain = try failure("no such domain") { () throws(XenError) in
        _ = try channels.bindInterdomain(.nobody, port: 1)
    }
    try expect(domain.errno == ESRCH, "\(domain.errno)")
}
