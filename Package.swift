// swift-tools-version: 6.2
import PackageDescription

let strict: [SwiftSetting] = [.treatAllWarnings(as: .error)]
/// No shared library at all: what starts on the way of a sandbox saves the milliseconds of dynamic linking.
let staticExecutable: [LinkerSetting] = [.unsafeFlags(["-static-executable"], .when(configuration: .release))]
let agentProtocol = Target.Dependency.product(name: "AgentProtocol", package: "protocol")
let argumentParser = Target.Dependency.product(name: "ArgumentParser", package: "swift-argument-parser")
let nio: [Target.Dependency] = [
    .product(name: "NIOCore", package: "swift-nio"), .product(name: "NIOPosix", package: "swift-nio"),
]

let package = Package(
    name: "sandpiper",
    dependencies: [
        .package(path: "protocol"),
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2"),
        .package(url: "https://github.com/apple/swift-nio", from: "2.101.2"),
    ],
    targets: [
        // Floor 0
        .target(name: "CLinux"),
        .target(name: "LinuxSystem", dependencies: ["CLinux"], swiftSettings: strict),
        // Floor 1
        .target(name: "Engine", dependencies: ["LinuxSystem", "CLinux"], swiftSettings: strict),
        // Floor 2
        .target(name: "SandboxState", dependencies: ["LinuxSystem"], swiftSettings: strict),
        .target(name: "Control", dependencies: [agentProtocol], swiftSettings: strict),
        // Floor 3
        .target(
            name: "Supervisor",
            dependencies: [
                "Control", "Engine", "LinuxSystem", "SandboxState", agentProtocol,
            ] + nio,
            exclude: ["MachineStart.swift"], swiftSettings: strict),
        // Executables
        .executableTarget(
            name: "sandpiper-supervisor", dependencies: ["Control", "LinuxSystem", "SandboxState", "Supervisor"] + nio,
            swiftSettings: strict, linkerSettings: staticExecutable),

        .testTarget(name: "SandboxStateTests", dependencies: ["SandboxState"], swiftSettings: strict),
        .testTarget(name: "SupervisorTests", dependencies: ["Supervisor", agentProtocol], swiftSettings: strict),
    ],
    swiftLanguageModes: [.v6]
)
