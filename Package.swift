// swift-tools-version: 6.2
import PackageDescription

let strict: [SwiftSetting] = [.treatAllWarnings(as: .error)]

let package = Package(
    name: "sandpiper",
    targets: [
        .target(name: "CLinux"),
        .target(name: "LinuxSystem", dependencies: ["CLinux"], swiftSettings: strict),
        .target(name: "Engine", dependencies: ["LinuxSystem", "CLinux"], swiftSettings: strict),
        .testTarget(name: "EngineTests", dependencies: ["Engine", "LinuxSystem"], swiftSettings: strict),
    ],
    swiftLanguageModes: [.v6]
)
