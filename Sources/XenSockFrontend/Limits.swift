import CXenSockSystem
import XenSockPlatform
import XenSockWire

/// The process's resource limits.
enum Limits {
    private static func both(_ resource: Int) -> (current: UInt64, maximum: UInt64) {
        var limits: (UInt64, UInt64) = (0, 0)
        let result = withUnsafeMutablePointer(to: &limits) {
            Kernel.call(Int(SYS_prlimit64), 0, resource, 0, Int(bitPattern: $0))
        }
        return result < 0 ? (1024, 1024) : (limits.0, limits.1)
    }

    /// RLIMIT_NOFILE.
    static var descriptors: UInt64 { both(7).current }

    /// The ports to ask the service for: one for each descriptor that the program may ever have, since it may raise its
    /// limit later; few if RLIMIT_AS could not hold the arena.
    static func wantedPorts() -> UInt32 {
        if both(9).current != ~0 { return Arena.portGranularity }
        let wanted = min(max(both(7).maximum, 1024), UInt64(Arena.maximumPorts))
        return (UInt32(wanted) &+ Arena.portGranularity &- 1) / Arena.portGranularity &* Arena.portGranularity
    }
}
