import CXenSockSystem

/// The environment variables by which this library comes into a program and finds its service.
///
/// Some programs make a new environment for those that they execute: nginx for its upgraded binary, sshd for a login,
/// systemd-socket-activate, servers for their CGI scripts. What they leave out is not meant to include the network, so
/// the variables are put back. An empty environment is meant to be empty, and one that keeps some of the variables is
/// meant as it is.
extension Frontend {
    /// Remembers the variables, which programs overwrite.
    public static func keepEnvironment(_ environment: UnsafePointer<UnsafeMutablePointer<CChar>?>?) {
        let process = xs_get_process_state()
        guard let environment else { return }
        withUnsafeMutablePointer(to: &process.pointee.kept_environment.0) { kept in
            var used = 0
            var count: UInt32 = 0
            var index = 0
            while let variable = environment[index] {
                index &+= 1
                guard isOurs(variable) else { continue }
                let size = strlen(variable) &+ 1
                // All or none: half of them would help nobody.
                guard used &+ size <= keptSize, count < maximumKept else { return }
                memcpy(kept + used, variable, size)
                used &+= size
                count &+= 1
            }
            process.pointee.kept_count = count
        }
    }

    /// Calls `body` with an environment for another program: `environment`, and the library's variables where it lacks
    /// them. Allocates nothing, for a vfork(2) child's sake.
    @inline(never)
    public static func completing(
        _ environment: UnsafePointer<UnsafeMutablePointer<CChar>?>?,
        _ body: (UnsafePointer<UnsafeMutablePointer<CChar>?>?) -> Int32
    ) -> Int32 {
        let process = xs_get_process_state()
        let kept = Int(process.pointee.kept_count)
        guard kept > 0, let environment, environment[0] != nil else { return body(environment) }
        var count = 0
        while let variable = environment[count] {
            if isOurs(variable) { return body(environment) }
            count &+= 1
        }
        guard count &+ kept < maximumVariables else { return body(environment) }
        return withUnsafeTemporaryAllocation(
            of: UnsafeMutablePointer<CChar>?.self, capacity: maximumVariables
        ) { list -> Int32 in
            let list = list.baseAddress!
            for index in 0..<count { (list + index).initialize(to: environment[index]) }
            withUnsafeMutablePointer(to: &process.pointee.kept_environment.0) { next in
                var next = next
                for index in 0..<kept {
                    (list + count + index).initialize(to: next)
                    next += strlen(next) &+ 1
                }
            }
            (list + count + kept).initialize(to: nil)
            return body(UnsafePointer(list))
        }
    }

    /// Whether a `NAME=value` is LD_PRELOAD or one of XENSOCK_.
    private static func isOurs(_ variable: UnsafePointer<CChar>) -> Bool {
        let preload: StaticString = "LD_PRELOAD="
        let prefix: StaticString = "XENSOCK_"
        return strncmp(variable, UnsafeRawPointer(preload.utf8Start).assumingMemoryBound(to: CChar.self), 11) == 0
            || strncmp(variable, UnsafeRawPointer(prefix.utf8Start).assumingMemoryBound(to: CChar.self), 8) == 0
    }

    private static var keptSize: Int { 2048 }
    private static var maximumKept: UInt32 { 16 }

    /// What a stack has room for in any case: an environment made by hand is small.
    private static var maximumVariables: Int { 128 }
}
