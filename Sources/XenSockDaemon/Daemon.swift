import Glibc
import Logging
import XenSockBackend

/// The service as a process: it starts, is told by signals and by its lifeline what to do, and ends.
package final class Daemon {
    /// What tells one service from another.
    package struct Settings {
        /// Name and version, for messages.
        package var name: String
        package var version: String
        /// Where to listen; nil for the service manager's socket, or else `defaultSocket`.
        package var socket: String?
        package var defaultSocket: () throws(DaemonError) -> String
        package var policy: String?
        package var options: DaemonOptions
        /// How guests are served; nil to serve none.
        package var xen: XenConfiguration?

        package init(
            name: String, version: String, socket: String?, policy: String?, options: DaemonOptions,
            xen: XenConfiguration? = nil, defaultSocket: @escaping () throws(DaemonError) -> String
        ) {
            self.name = name
            self.version = version
            self.socket = socket
            self.policy = policy
            self.options = options
            self.xen = xen
            self.defaultSocket = defaultSocket
        }
    }

    /// What performs the calls, and the names.
    package struct Network {
        package var sockets: (any SocketNetwork)?
        package var resolver: any NameResolver
        /// Lets them take part in the service's reactor.
        package var join: (Service) throws -> Void

        package init(
            sockets: (any SocketNetwork)?, resolver: any NameResolver,
            join: @escaping (Service) throws -> Void = { _ in }
        ) {
            self.sockets = sockets
            self.resolver = resolver
            self.join = join
        }
    }

    private let settings: Settings
    private var options: DaemonOptions { settings.options }
    package let log: Logger
    private let judge: PolicyJudge
    package var policy: Policy { judge.policy }
    /// Called when another policy was read, on the service's thread.
    package var policyChanged: (Policy) -> Void = { _ in }

    /// - Throws: ``DaemonError`` if the policy is not good.
    package init(_ settings: Settings) throws(DaemonError) {
        self.settings = settings
        let options = settings.options
        var log = Logger(label: settings.name, factory: { StandardErrorLog(name: $0) })
        log.logLevel = options.logLevel ?? (environment("XENSOCK_DEBUG") == "1" ? .debug : .info)
        self.log = log
        let policy: Policy
        do {
            policy = try settings.policy.map { try PolicyFile.read($0) } ?? Policy()
        } catch {
            throw DaemonError("\(error)")
        }
        judge = PolicyJudge(policy: policy.allowing(options.unix), log: log)
        judge.maximumSockets = options.maxSockets
    }

    /// Serves until a signal or the end of the programs.
    ///
    /// - Parameter network: made when the signals are blocked, since it may start threads.
    /// - Throws: ``DaemonError`` if the service cannot start.
    package func run(ready: ReadyDescriptor, network: () throws(DaemonError) -> Network) throws(DaemonError) {
        let signals = try SignalDescriptor([SIGTERM, SIGINT, SIGHUP])
        var lifeline: Lifeline?
        if let descriptor = options.lifelineFd { lifeline = try Lifeline(descriptor) }
        log.debug("descriptors: \(Process.raiseDescriptorLimit())")
        let inherited = try ServiceManager.takeListener(name: settings.name)
        if inherited != nil, let path = settings.socket {
            throw DaemonError("--socket \(path): the service manager has made the socket already; leave one of them")
        }
        var made: SessionSocket?
        if inherited == nil {
            if let path = settings.socket {
                made = try SessionSocket(path: path)
            } else {
                made = try SessionSocket(path: settings.defaultSocket())
            }
        }
        defer { made?.remove(withDirectory: options.isPrivate) }
        guard let descriptor = inherited ?? made?.descriptor else { return }
        if settings.xen != nil { try XenRequirements.check() }
        let network = try network()
        let service: Service
        var devices: XenDevices?
        do {
            service = try Service(
                configuration: configuration(descriptor), policy: judge, resolver: network.resolver, log: log,
                network: network.sockets)
            judge.openSockets = { [unowned service] in service.openSockets(of: $0) }
            try service.watch(signals.descriptor) { [unowned service] in self.take(signals, service) }
            if let lifeline { try watch(lifeline, service) }
            try network.join(service)
            if let configuration = settings.xen { devices = try serveGuests(of: service, configuration) }
        } catch {
            throw DaemonError("cannot start: \(error)")
        }
        log.info("\(settings.name) \(settings.version) listens at \(made?.path ?? "the service manager's socket")")
        ready.reportListening()
        ServiceManager.notify("READY=1\nSTATUS=\(status)")
        service.run()
        ServiceManager.notify("STOPPING=1")
        devices?.stop()
    }

    private func serveGuests(of service: Service, _ configuration: XenConfiguration) throws -> XenDevices {
        let devices = try XenDevices(
            service: service, platform: .system(), configuration: configuration, log: log)
        judge.domainName = { [weak devices] in devices?.name(of: $0) }
        judge.openSocketsOfDomain = { [unowned service] domain in
            (service.openSockets(ofDomain: domain), configuration.socketsPerDomain)
        }
        log.info("serving the devices of guests")
        return devices
    }

    private var status: String {
        let policy = judge.policy
        return settings.policy.map { "Policy \($0): default \(policy.defaultAction), rules: \(policy.rules.count)" }
            ?? "No policy file"
    }

    private func configuration(_ descriptor: Int32) -> ServiceConfiguration {
        var configuration = ServiceConfiguration(listening: .descriptor(descriptor))
        configuration.admit(judge.policy)
        if let count = options.maxSessions { configuration.maximumSessions = count }
        return configuration
    }

    private func take(_ signals: SignalDescriptor, _ service: Service) {
        while let signal = signals.next() {
            if signal == SIGHUP {
                reload(service)
            } else {
                log.info("stopping: \(signal == SIGTERM ? "SIGTERM" : "SIGINT")")
                service.stop()
            }
        }
    }

    private func reload(_ service: Service) {
        guard let file = settings.policy else {
            log.notice("SIGHUP: there is no policy file to read again; start with --policy")
            return
        }
        ServiceManager.notifyReloading()
        do {
            let policy = try PolicyFile.read(file).allowing(options.unix)
            judge.policy = policy
            service.admit(by: policy)
            policyChanged(policy)
            log.notice("\(file): read again, rules: \(policy.rules.count)")
        } catch {
            log.error("\(error); the old policy stays")
        }
        ServiceManager.notify("READY=1\nSTATUS=\(status)")
    }

    private func watch(_ lifeline: Lifeline, _ service: Service) throws {
        let timer = try IdleTimer()
        if lifeline.isDoor {
            try service.openDoor(lifeline.descriptor) { timer.start() }
        } else {
            try watchPipe(lifeline, service, timer)
        }
        try service.watch(timer.descriptor) { [unowned service] in
            timer.acknowledge()
            guard service.isIdle else { return }
            self.log.info("stopping: the programs are gone")
            service.stop()
        }
    }

    private func watchPipe(_ lifeline: Lifeline, _ service: Service, _ timer: IdleTimer) throws {
        try service.watch(lifeline.descriptor) { [unowned service] in
            guard lifeline.hasEnded() else { return }
            service.unwatch(lifeline.descriptor)
            timer.start()
        }
    }
}
