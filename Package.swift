// swift-tools-version: 6.2
import Foundation
import PackageDescription

// The modules below the preload library are built twice: as ordinary Swift for the service, the command line and the
// tests, and, with XENSOCK_EMBEDDED=1, as Embedded Swift for libxensock.so, which needs nothing but libc.
let embedded = ProcessInfo.processInfo.environment["XENSOCK_EMBEDDED"] == "1"

let shared: [SwiftSetting] =
    embedded
    ? [.enableExperimentalFeature("Embedded"), .unsafeFlags(["-wmo", "-Ounchecked"])]
    : []

var products: [Product] = []
var targets: [Target] = [
    .target(name: "CXenSockSystem", path: "shim/system"),
    .target(name: "XenSockWire", swiftSettings: shared),
    .target(name: "XenSockRing", swiftSettings: shared),
    .target(name: "XenSockPlatform", dependencies: ["CXenSockSystem", "XenSockRing", "XenSockWire"], swiftSettings: shared),
    .target(
        name: "XenSockFrontend",
        dependencies: ["CXenSockSystem", "XenSockPlatform", "XenSockRing", "XenSockWire"],
        swiftSettings: shared),
]

if embedded {
    products.append(.library(name: "xensock", type: .dynamic, targets: ["XenSockPreload"]))
    targets += [
        .target(name: "CXenSockPreload", dependencies: ["CXenSockSystem"], path: "shim/preload"),
        .target(
            name: "XenSockPreload",
            dependencies: ["CXenSockPreload", "CXenSockSystem", "XenSockFrontend"],
            swiftSettings: shared),
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
                "CXenSockSystem", "XenSockPlatform", "XenSockRing", "XenSockWire",
                .product(name: "Logging", package: "swift-log"),
            ]),
        .executableTarget(
            name: "xensockd",
            dependencies: [
                "XenSockBackend",
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
                .product(name: "Logging", package: "swift-log"),
                .product(name: "TOMLKit", package: "TOMLKit"),
            ]),
        .executableTarget(
            name: "xensock",
            dependencies: [
                "CXenSockSystem",
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
            ]),
        .testTarget(name: "XenSockWireTests", dependencies: ["XenSockWire"]),
        .testTarget(name: "XenSockRingTests", dependencies: ["XenSockRing"]),
        .testTarget(name: "XenSockBackendTests", dependencies: ["XenSockBackend"]),
        .testTarget(name: "xensockdTests", dependencies: ["XenSockBackend", "xensockd"]),
        .testTarget(name: "XenSockFrontendTests", dependencies: ["XenSockFrontend"]),
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
