import CXenSockPreload
import XenSockFrontend

/// Runs once, when the library is loaded (shim/preload/start.c).
@c(xsStart)
public func xsStart() {
    Frontend.start()
    Frontend.keepEnvironment(xsEnvironment())
}
