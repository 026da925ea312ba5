import Glibc
import XenSockXen

// Checks each call of the real platform on a real Xen, one step a run. Steps that need both ends run in the guest and in
// dom0 at a time and meet under the guest's `data/probe`.
//
//     xen-probe list alone|pairs
//     xen-probe guest STEP
//     xen-probe backend STEP DOMAIN

/// What did not hold.
struct Failure: Error, CustomStringConvertible {
    let description: String
}

func expect(_ condition: Bool, _ message: @autoclosure () -> String) throws {
    if !condition { throw Failure(description: message()) }
}

/// The error that `body` throws.
func failure(_ what: String, _ body: () throws(XenError) -> Void) throws -> XenError {
    do {
        try body()
    } catch {
        print("\(what): \(error)")
        return error
    }
    throw Failure(description: "\(what): did not fail")
}

/// What a guest checks by itself.
struct Step: Sendable {
    let name: String
    let check: @Sendable (XenPlatform) throws -> Void
}

let alone = storeSteps + grantSteps + channelSteps

let arguments = CommandLine.arguments.dropFirst()
let xen = XenPlatform.system()
// Whatever hangs ends.
alarm(55)
do {
    switch Array(arguments) {
    case ["list", "alone"]: for step in alone { print(step.name) }
    case ["list", "pairs"]: for pair in pairs { print(pair.name) }
    case let words where words.count == 2 && words[0] == "guest":
        if let step = alone.first(where: { $0.name == words[1] }) {
            try step.check(xen)
        } else if let pair = pairs.first(where: { $0.name == words[1] }) {
            try pair.guest(xen, Meeting(pair.name, directory: "data/probe", store: xen.store()))
        } else {
            throw Failure(description: "no step \(words[1])")
        }
    case let words where words.count == 3 && words[0] == "backend":
        guard let pair = pairs.first(where: { $0.name == words[1] }), let number = UInt16(words[2]) else {
            throw Failure(description: "no step, or no domain")
        }
        let domain = DomainID(number)
        let meeting = Meeting(pair.name, directory: "\(domain.path)/data/probe", store: try xen.store())
        try pair.backend(xen, domain, meeting)
    default: throw Failure(description: "usage: xen-probe list|guest|backend …")
    }
} catch {
    print("failed: \(error)")
    exit(1)
}
