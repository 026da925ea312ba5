import Logging
import XenSockXen

/// What a device offers to what it carries. Reactor thread only.
protocol XenDeviceServices: AnyObject {
    /// The frontend's domain.
    var domain: DomainID { get }
    /// Counts against the domain's limit; beyond it ENOSPC.
    var mapper: any GrantMapper { get }
    /// What stays mapped without a socket.
    var kept: XenKeptPages { get }
    /// The largest order of a data ring that the frontend was told (`max-page-order`).
    var maximumPageOrder: UInt32 { get }
    /// Sockets that the frontend's domain may have, all its devices together.
    var maximumSockets: Int { get }
    /// Its lines name the domain and the device.
    var log: Logger { get }

    /// Binds the guest's unbound port.
    ///
    /// - Parameter handler: runs at each event; the port is masked meanwhile, and unmasked after the work of the turn.
    /// - Returns: the port of this domain.
    func bind(remotePort: UInt32, _ handler: @escaping () -> Void) throws(XenError) -> UInt32
    func unbind(_ port: UInt32)
    func notify(_ port: UInt32)

    /// A line about what the guest does, which cannot fill the log.
    func report(_ level: Logger.Level, _ text: @autoclosure () -> String)

    /// The guest broke the protocol: logged (limited), and the device goes to Closing with `error`, which ends the
    /// connection after this turn.
    func violated(_ reason: String)
}

/// What a connected device carries: sockets of `pvcalls1` (`XenV1Connection`), or sessions (docs/PROTOCOL.md, 3.7).
protocol XenConnection: AnyObject {
    /// The device's own event channel rang: look at the command ring.
    func notified()
    /// Ends everything: sockets as if hung up, all unmapped, all channels unbound. Idempotent.
    func close()
}
