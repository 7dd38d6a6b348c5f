// swift-tools-version: 6.2
import PackageDescription

let strict: [SwiftSetting] = [.treatAllWarnings(as: .error)]

let package = Package(
    name: "sandpiper",
    dependencies: [
        .package(name: "sandpiper-protocol", path: "protocol")
    ],
    targets: [
        .target(name: "CLinux"),
        .target(name: "LinuxSystem", dependencies: ["CLinux"], swiftSettings: strict),
        .target(name: "DiskImage", dependencies: ["LinuxSystem"], swiftSettings: strict),
        .testTarget(name: "DiskImageTests", dependencies: ["DiskImage", "LinuxSystem"], swiftSettings: strict),
    ],
    swiftLanguageModes: [.v6]
)
