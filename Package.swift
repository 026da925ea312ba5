// swift-tools-version: 6.2
import Foundation
import PackageDescription

// The modules below the preload library are built twice: as ordinary Swift for the service, the command line and the
// tests, and, with XENSOCK_EMBEDDED=1, as Embedded Swift for libxensock.so, which needs nothing but libc.
let embedded = ProcessInfo.processInfo.environment["XENSOCK_EMBEDDED"] == "1"

// Small rather than fast: transfers are copies and system calls, measured no slower so, and the library is in every
// program.
let shared: [SwiftSetting] =
    embedded ? [.enableExperimentalFeature("Embedded"), .unsafeFlags(["-wmo", "-Osize"])] : []

var products: [Product] = []
var targets: [Target] = [
    .target(name: "CXenSockSystem", path: "shim/system"),
    .target(name: "XenSockWire", swiftSettings: shared),
    .target(name: "XenSockRing", swiftSettings: shared),
    .target(
        name: "XenSockPlatform", dependencies: ["CXenSockSystem", "XenSockRing", "XenSockWire"], swiftSettings: shared),
    .target(
        name: "XenSockFrontend",
        dependencies: ["CXenSockSystem", "XenSockPlatform", "XenSockRing", "XenSockWire"],
        swiftSettings: shared),
]

if embedded {
    products.append(.library(name: "xensock", type: .dynamic, targets: ["XenSockPreload"]))
    targets += [
        .target(
            name: "CXenSockPreload", dependencies: ["CXenSockSystem"], path: "shim/preload", exclude: ["exports.map"],
            cSettings: [.define("_GNU_SOURCE")]),
        .target(
            name: "XenSockPreload",
            dependencies: ["CXenSockPreload", "CXenSockSystem", "XenSockFrontend"],
            // The importer does not see a _GNU_SOURCE that a header defines: mmsghdr, fopencookie, RWF_NOWAIT.
            swiftSettings: shared + [.unsafeFlags(["-Xcc", "-D_GNU_SOURCE"])],
            // Without the version script the library would export the Swift runtime's functions and break the
            // programs that have their own. -Bsymbolic-functions ties aliases to the functions beside them.
            linkerSettings: [
                .unsafeFlags(
                    [
                        "--version-script=\(Context.packageDirectory)/shim/preload/exports.map",
                        "-Bsymbolic-functions", "--gc-sections", "-z", "relro", "-z", "now",
                    ].flatMap { ["-Xlinker", $0] })
            ]),
    ]
} else {
    products += [
        .executable(name: "xensockd", targets: ["xensockd"]),
        .executable(name: "xensock", targets: ["xensock"]),
    ]
    targets += [
        .target(
            name: "XenSockBackend",
            dependencies: [
                "CXenSockResolver", "CXenSockSystem", "XenSockPlatform", "XenSockRing", "XenSockWire",
                "XenSockXen",
                .product(name: "Logging", package: "swift-log"),
            ]),
        .target(name: "CXenSockResolver", path: "shim/resolver"),
        // What makes a process a service: options, policy file, signals, service manager.
        .target(
            name: "XenSockDaemon",
            dependencies: [
                "CXenSockSystem", "XenSockBackend", "XenSockXen",
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
                .product(name: "Logging", package: "swift-log"),
                .product(name: "TOMLKit", package: "TOMLKit"),
            ]),
        .executableTarget(
            name: "xensockd",
            dependencies: [
                "XenSockBackend", "XenSockDaemon",
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
            ]),
        // The guest's end of a Xen device: the frontend of XenBus, and the dock of the sessions on it.
        .target(
            name: "XenSockGuest",
            dependencies: [
                "CXenSockSystem", "XenSockPlatform", "XenSockRing", "XenSockWire", "XenSockXen",
                .product(name: "Logging", package: "swift-log"),
            ]),
        // What keeps programs from granting pages by a descriptor that they map pages with.
        .target(name: "CXenSockFence", path: "shim/fence"),
        .target(
            name: "XenSockFence", dependencies: ["CXenSockFence", "XenSockGuest", "XenSockXen"],
            linkerSettings: [
                .unsafeFlags(["bpf", "elf", "z"].flatMap { ["-Xlinker", "-l:lib\($0).a"] })
            ]),
        // The frontend of one service as the network of another. Knows both; neither knows the other.
        .target(
            name: "XenSockAgent",
            dependencies: [
                "CXenSockSystem", "XenSockBackend", "XenSockFrontend", "XenSockGuest", "XenSockPVCalls", "XenSockRing",
                "XenSockWire", "XenSockXen",
                .product(name: "Logging", package: "swift-log"),
            ]),
        // Xen from user space: grants, event channels, XenStore, and a simulation of them. Knows nobody.
        .target(name: "CXenSockXen", path: "shim/xen"),
        .target(
            name: "XenSockXen", dependencies: ["CXenSockXen"],
            // Static, so that the programs need no package of Xen's where they run. What comes later is needed by what
            // comes before.
            linkerSettings: [
                .unsafeFlags(
                    ["xengnttab", "xenevtchn", "xentoolcore", "xentoollog"].flatMap {
                        ["-Xlinker", "-l:lib\($0).a"]
                    })
            ]),
        // The agent's network where the backend domain speaks PV Calls version 1.
        .target(
            name: "XenSockPVCalls",
            dependencies: [
                "CXenSockSystem", "XenSockBackend", "XenSockRing", "XenSockWire", "XenSockXen",
                .product(name: "Logging", package: "swift-log"),
            ]),
        .target(name: "CXenSockLaunch", path: "shim/launch"),
        .target(name: "XenSockLaunch", dependencies: ["CXenSockLaunch", "XenSockWire"]),
        .executableTarget(
            name: "xensock",
            dependencies: [
                "XenSockAgent", "XenSockDaemon", "XenSockFence", "XenSockGuest", "XenSockLaunch", "XenSockXen",
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
            ]),
        // Asks the C compiler, and Xen's headers where libxen-dev is installed, what XenSockWire's numbers must be.
        .target(name: "CXenSockWireCheck", path: "shim/wirecheck"),
        .testTarget(name: "XenSockWireTests", dependencies: ["CXenSockWireCheck", "XenSockRing", "XenSockWire"]),
        // Seeded randomness, shared pages: what several test targets use.
        .target(name: "XenSockTestSupport", path: "Tests/XenSockTestSupport"),
        .testTarget(name: "XenSockRingTests", dependencies: ["XenSockRing", "XenSockTestSupport"]),
        .testTarget(
            name: "XenSockBackendTests",
            dependencies: ["CXenSockSystem", "XenSockBackend", "XenSockTestSupport", "XenSockXen"]),
        .testTarget(
            name: "xensockdTests", dependencies: ["XenSockBackend", "XenSockDaemon", "XenSockXen", "xensockd"]),
        .testTarget(name: "CommandLineTests", dependencies: ["CXenSockLaunch", "XenSockLaunch", "xensock"]),
        .testTarget(name: "XenSockAgentTests", dependencies: ["XenSockAgent", "XenSockWire"]),
        .testTarget(
            name: "XenSockGuestTests",
            dependencies: ["XenSockGuest", "XenSockRing", "XenSockTestSupport", "XenSockWire", "XenSockXen"]),
        .testTarget(name: "XenSockXenTests", dependencies: ["CXenSockWireCheck", "XenSockTestSupport", "XenSockXen"]),
        .testTarget(
            name: "XenSockPVCallsTests",
            dependencies: [
                "XenSockBackend", "XenSockPVCalls", "XenSockRing", "XenSockTestSupport", "XenSockWire", "XenSockXen",
                .product(name: "Logging", package: "swift-log"),
            ]),
        .executableTarget(
            name: "xen-simulation",
            dependencies: [
                "XenSockAgent", "XenSockBackend", "XenSockDaemon", "XenSockGuest", "XenSockXen",
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
                .product(name: "Logging", package: "swift-log"),
            ],
            path: "Tests/Xen/xen-simulation"),
        .executableTarget(name: "xen-probe", dependencies: ["XenSockXen"], path: "Tests/Xen/xen-probe"),
        .executableTarget(
            name: "ring-stress",
            dependencies: [
                "CXenSockSystem", "XenSockFrontend", "XenSockPlatform", "XenSockRing", "XenSockTestSupport",
                "XenSockWire",
            ],
            path: "Tests/Stress/ring-stress"),
        .testTarget(name: "StressTests", dependencies: ["ring-stress"], path: "Tests/Stress/StressTests"),
        .testTarget(
            name: "XenSockPlatformTests", dependencies: ["CXenSockSystem", "XenSockPlatform", "XenSockTestSupport"]),
        .testTarget(
            name: "XenSockFrontendTests",
            dependencies: [
                "CXenSockSystem", "XenSockBackend", "XenSockFrontend", "XenSockPlatform", "XenSockRing",
                "XenSockTestSupport", "XenSockWire",
            ]),
    ]
}

let package = Package(
    name: "xensock",
    products: products,
    dependencies: [
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2"),
        .package(url: "https://github.com/apple/swift-log", from: "1.16.2"),
        .package(url: "https://github.com/LebJe/TOMLKit", from: "0.6.0"),
    ],
    targets: targets)
