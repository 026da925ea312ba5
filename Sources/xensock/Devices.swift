import ArgumentParser
import Glibc
import XenSockDaemon
import XenSockLaunch
import XenSockXen

struct Attach: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Give a guest of Xen a device, so that its agent reaches the service of this domain or another.",
        discussion: """
            Makes the nodes of a PV Calls device in XenStore, as `xl` does for pvcalls=["backend=0"] in a guest's \
            configuration: for a guest that runs already, or one that was not made by xl. Needs root in the control \
            domain. There, or in the domain of --backend, `xensockd --xen` should run before: Linux's own frontend \
            reads what is offered only once.
            """)

    @Option(
        help: ArgumentHelp("The driver domain that serves it, by name or number.", valueName: "DOMAIN"))
    var backend: String?

    @Argument(help: ArgumentHelp("The guest's name or number.", valueName: "DOMAIN"))
    var domain: String

    func run() throws {
        do {
            let toolstack = try Toolstack(store: XenPlatform.system().store)
            let driver = try backend.map { (name) throws(DaemonError) in try toolstack.domain(name) }
            let device = try toolstack.attach(toolstack.domain(domain), backend: driver)
            if !device.isServed {
                writeAll(
                    2,
                    "xensock: attach: the device is there, but nothing serves it yet: start `xensockd --xen`; "
                        + "Linux's own frontend will not find it then without a new `detach` and `attach`\n")
            }
        } catch {
            throw LaunchError(exitStatus: 1, "attach: \(error)")
        }
    }
}

struct Detach: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Take a guest's device away.",
        discussion: """
            Tells both ends that the device goes, waits until the service has closed it, at most 10 seconds, and removes its \
            nodes, whether `xensock attach` or xl made them, and whichever domain its service is in, or was. Needs root in \
            the control domain. The guest's sockets get their errors.
            """)

    @Argument(help: ArgumentHelp("The guest's name or number.", valueName: "DOMAIN"))
    var domain: String

    func run() throws {
        do {
            let toolstack = try Toolstack(store: XenPlatform.system().store)
            if try !toolstack.detach(toolstack.domain(domain)) {
                writeAll(
                    2, "xensock: detach: nothing closed the device in 10 seconds; its nodes are removed all the same\n")
            }
        } catch {
            throw LaunchError(exitStatus: 1, "detach: \(error)")
        }
    }
}
