import CXenSockSystem
import XenSockPlatform

/// How long a thread goes on waiting for a service that is alive and says nothing, or that says much and answers
/// nothing. Every request is answered promptly (docs/PROTOCOL.md, 2.3), so silence for this long is a broken service:
/// the session is given up (ENETDOWN).
///
/// Waits are cut into slices, which are counted: while this process is stopped or starved no time passes. At the end of
/// each slice signals that nobody handles are let in, so that a silent service does not keep a program from being ended.
struct Patience {
    /// Length of a slice in nanoseconds.
    static let slice = 100_000_000
    /// Slices: five seconds.
    private var slices = 50
    /// Frames that answer nothing. Kicks may be stale, at most as many as fit the socket's buffer (a few hundred).
    private var frames = 4096
    /// The program's signal mask.
    private let mask: UInt64

    /// - Parameter mask: the program's signal mask, which `Kernel.blockSignals` returned.
    init(_ mask: UInt64) { self.mask = mask }

    /// A slice passed without anything. Returns whether to go on waiting.
    @inline(never)
    mutating func passSlice() -> Bool {
        Signals.admitDefaults(mask)
        slices &-= 1
        return slices > 0
    }

    /// Waits until a frame can be read, at most a slice.
    ///
    /// - Returns: 1; 0 to look again; -ETIMEDOUT when patience has run out; another negative errno.
    mutating func awaitFrame(_ socket: Int32) -> Int {
        let ready = xs_poll(socket, Int16(POLLIN), Int64(Self.slice))
        if ready == -Int(EINTR) { return 0 }
        if ready < 0 { return ready }
        if ready == 0 { return passSlice() ? 0 : -Int(ETIMEDOUT) }
        frames &-= 1
        return frames > 0 ? 1 : -Int(ETIMEDOUT)
    }

    /// Repeats a call on a socket whose SO_SNDTIMEO is a slice until it no longer fails with -EAGAIN or -EINTR.
    ///
    /// - Returns: the call's result; -ETIMEDOUT when patience has run out.
    mutating func repeated(_ call: () -> Int) -> Int {
        while true {
            let result = call()
            if result == -Int(EINTR) { continue }
            if result != -Int(EAGAIN) { return result }
            if !passSlice() { return -Int(ETIMEDOUT) }
        }
    }

    /// Bounds the waits of `repeated` on a socket.
    static func limitSending(_ socket: Int32) {
        var time = timeval(tv_sec: 0, tv_usec: slice / 1000)
        _ = Kernel.setOption(
            socket, Int32(SOL_SOCKET), Int32(SO_SNDTIMEO), &time, UInt32(MemoryLayout<timeval>.size))
    }
}
