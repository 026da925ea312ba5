import CXenSockSystem
import XenSockPlatform
import XenSockWire

/// The process's resource limits.
enum Limits {
    private static func current(_ resource: Int) -> UInt64 {
        var limits: (UInt64, UInt64) = (0, 0)
        let result = withUnsafeMutablePointer(to: &limits) {
            Kernel.call(Int(SYS_prlimit64), 0, resource, 0, Int(bitPattern: $0))
        }
        return result < 0 ? 1024 : limits.0
    }

    /// RLIMIT_NOFILE.
    static var descriptors: UInt64 { current(7) }

    /// The ports to ask the service for: one for each descriptor that the program may have, few if RLIMIT_AS could not
    /// hold the arena.
    static func wantedPorts() -> UInt32 {
        if current(9) != ~0 { return Arena.portGranularity }
        let wanted = min(max(descriptors, 1024), UInt64(Arena.maximumPorts))
        return (UInt32(wanted) &+ Arena.portGranularity &- 1) / Arena.portGranularity &* Arena.portGranularity
    }
}
