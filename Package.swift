// swift-tools-version: 6.2
import PackageDescription

let strict: [SwiftSetting] = [.treatAllWarnings(as: .error)]

let package = Package(
    name: "sandpiper",
    targets: [
        .target(name: "CLinux"),
        .target(name: "LinuxSystem", dependencies: ["CLinux"], swiftSettings: strict),
        .target(name: "Engine", dependencies: ["LinuxSystem", "CLinux"], swiftSettings: strict),
        // The jail shows a program the system's libraries only, so the probe must not need Swift's.
        .executableTarget(
            name: "jail-probe", path: "Tests/JailProbe", linkerSettings: [.unsafeFlags(["-static-stdlib"])]),
        .executableTarget(
            name: "engine-holder", dependencies: ["Engine", "LinuxSystem"], path: "Tests/EngineHolder",
            swiftSettings: strict),
        .testTarget(
            name: "EngineTests", dependencies: ["Engine", "LinuxSystem", "jail-probe", "engine-holder"],
            swiftSettings: strict),
    ],
    swiftLanguageModes: [.v6]
)
