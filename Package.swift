// swift-tools-version: 6.2
import PackageDescription

let strict: [SwiftSetting] = [.treatAllWarnings(as: .error)]
/// No shared library at all: what starts on the way of a sandbox saves the milliseconds of dynamic linking.
let staticExecutable: [LinkerSetting] = [.unsafeFlags(["-static-executable"], .when(configuration: .release))]
let agentProtocol = Target.Dependency.product(name: "AgentProtocol", package: "protocol")
let fileProtocol = Target.Dependency.product(name: "FileProtocol", package: "protocol")
let tar = Target.Dependency.product(name: "Tar", package: "protocol")
let treeArchive = Target.Dependency.product(name: "TreeArchive", package: "protocol")
let argumentParser = Target.Dependency.product(name: "ArgumentParser", package: "swift-argument-parser")
let crypto = Target.Dependency.product(name: "Crypto", package: "swift-crypto")
let asyncHTTPClient = Target.Dependency.product(name: "AsyncHTTPClient", package: "async-http-client")
let subprocess = Target.Dependency.product(name: "Subprocess", package: "swift-subprocess")
let nio: [Target.Dependency] = [
    .product(name: "NIOCore", package: "swift-nio"), .product(name: "NIOPosix", package: "swift-nio"),
]

let package = Package(
    name: "sandpiper",
    products: [
        // For the package of the fuzzers.
        .library(name: "CLinux", targets: ["CLinux"]),
        .library(name: "Compression", targets: ["Compression"]),
        .library(name: "Control", targets: ["Control"]),
        .library(name: "DNSMessage", targets: ["DNSMessage"]),
        .library(name: "DiskImage", targets: ["DiskImage"]),
        .library(name: "ForeignText", targets: ["ForeignText"]),
        .library(name: "FrozenMachine", targets: ["FrozenMachine", "Template"]),
        .library(name: "GuestFiles", targets: ["GuestFiles"]),
        .library(name: "ImageStore", targets: ["ImageStore"]),
        .library(name: "InterceptionProtocol", targets: ["InterceptionProtocol"]),
        .library(name: "LinuxSystem", targets: ["LinuxSystem"]),
        .library(name: "NetworkStack", targets: ["NetworkAddress", "NetworkStack"]),
        .library(name: "NetworkPolicy", targets: ["NetworkAddress", "NetworkPolicy"]),
        .library(name: "OCI", targets: ["OCI"]),
        .library(name: "SandboxState", targets: ["SandboxState"]),
        .library(name: "PolicyFile", targets: ["PolicyFile"]),
        .library(name: "Sandpiper", targets: ["Sandpiper"]),
        .library(name: "TrafficInspection", targets: ["TrafficInspection"]),
    ],
    dependencies: [
        .package(path: "protocol"),
        // The sandbox's side of the file protocol, for the tests of the host's.
        .package(path: "guest/agent"),
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2"),
        .package(url: "https://github.com/apple/swift-collections", from: "1.1.0"),
        .package(url: "https://github.com/apple/swift-crypto", from: "4.5.2"),
        .package(url: "https://github.com/apple/swift-asn1", from: "1.7.4"),
        .package(url: "https://github.com/apple/swift-certificates", from: "1.21.1"),
        .package(url: "https://github.com/apple/swift-nio", from: "2.101.2"),
        .package(url: "https://github.com/apple/swift-nio-http2", from: "1.46.0"),
        .package(url: "https://github.com/apple/swift-nio-ssl", from: "2.37.6"),
        .package(url: "https://github.com/jpsim/Yams", from: "6.2.2"),
        .package(url: "https://github.com/swift-server/async-http-client", from: "1.37.0"),
        .package(url: "https://github.com/swiftlang/swift-subprocess", from: "1.0.2", traits: []),
    ],
    targets: [
        // Floor 0
        .target(name: "CLinux"),
        .target(name: "CCheckpoint"),
        .target(name: "ForeignText", swiftSettings: strict),
        .target(name: "TextLayout", swiftSettings: strict),
        .target(name: "NetworkAddress", swiftSettings: strict),
        .target(name: "LinuxSystem", dependencies: ["CLinux", "ForeignText"], swiftSettings: strict),
        .systemLibrary(name: "CISAL"),
        .systemLibrary(name: "CZstd"),
        // Floor 1
        .target(name: "NetworkStack", dependencies: ["NetworkAddress"], swiftSettings: strict),
        .target(name: "OCI", dependencies: ["ForeignText"], swiftSettings: strict),
        .target(name: "Compression", dependencies: ["CISAL", "CZstd", "LinuxSystem"], swiftSettings: strict),
        .target(name: "DiskImage", dependencies: ["CZstd", "ForeignText", "LinuxSystem", tar], swiftSettings: strict),
        .target(name: "Checkpoint", dependencies: ["CCheckpoint", "LinuxSystem"], swiftSettings: strict),
        .target(
            name: "Engine", dependencies: ["Checkpoint", "ForeignText", "LinuxSystem", "CLinux"], swiftSettings: strict),
        .target(name: "InterceptionProtocol", dependencies: ["LinuxSystem", "NetworkAddress"], swiftSettings: strict),
        .target(name: "MountServer", dependencies: ["CLinux", "LinuxSystem"], swiftSettings: strict),
        .target(
            name: "SandboxState",
            dependencies: ["InterceptionProtocol", "LinuxSystem", "NetworkAddress", "NetworkPolicy"],
            swiftSettings: strict),
        .target(
            name: "GuestFiles",
            dependencies: ["ForeignText", "LinuxSystem", agentProtocol, fileProtocol, tar, treeArchive],
            swiftSettings: strict),
        .target(name: "NetworkPolicy", dependencies: ["ForeignText", "NetworkAddress"], swiftSettings: strict),
        .target(name: "DNSMessage", dependencies: ["NetworkAddress"], swiftSettings: strict),
        .target(
            name: "TrafficInspection", dependencies: ["CLinux", "NetworkAddress"], swiftSettings: strict),
        // Floor 2
        .target(
            name: "Control", dependencies: ["NetworkPolicy", "SandboxState", agentProtocol], swiftSettings: strict),
        .target(
            name: "Gateway",
            dependencies: [
                "CLinux", "DNSMessage", "InterceptionProtocol", "LinuxSystem", "NetworkAddress", "NetworkPolicy",
                "NetworkStack", "SandboxState", "TrafficInspection",
                .product(name: "HeapModule", package: "swift-collections"),
            ],
            swiftSettings: strict),
        .target(
            name: "PolicyFile",
            dependencies: ["ForeignText", "NetworkPolicy", .product(name: "Yams", package: "Yams")],
            swiftSettings: strict),
        .target(name: "Hashing", dependencies: ["OCI", crypto], swiftSettings: strict),
        .target(name: "ImageStore", dependencies: ["LinuxSystem", "OCI"], swiftSettings: strict),
        .target(
            name: "Template", dependencies: ["DiskImage", "Engine", "ForeignText", "LinuxSystem", agentProtocol, tar],
            swiftSettings: strict),
        // Floor 3
        .target(
            name: "FrozenMachine", dependencies: ["Engine", "LinuxSystem", "Template"], swiftSettings: strict),
        .target(
            name: "RegistryClient",
            dependencies: [
                "ForeignText", "Hashing", "LinuxSystem", "OCI", asyncHTTPClient, subprocess,
                .product(name: "NIOHTTP1", package: "swift-nio"), .product(name: "NIOSSL", package: "swift-nio-ssl"),
            ] + nio,
            swiftSettings: strict),
        .target(
            name: "ControlClient",
            dependencies: [
                "Control", "ImageStore", "InterceptionProtocol", "LinuxSystem", "NetworkPolicy", "OCI", "SandboxState",
                agentProtocol,
            ],
            swiftSettings: strict),
        .target(
            name: "Interception",
            dependencies: [
                "CLinux", "ForeignText", "InterceptionProtocol", "LinuxSystem", "NetworkAddress", "TrafficInspection",
                crypto,
                .product(name: "NIOHTTP2", package: "swift-nio-http2"),
                .product(name: "NIOHPACK", package: "swift-nio-http2"),
                .product(name: "NIOConcurrencyHelpers", package: "swift-nio"),
                .product(name: "NIOSSL", package: "swift-nio-ssl"), .product(name: "NIOTLS", package: "swift-nio"),
                .product(name: "SwiftASN1", package: "swift-asn1"),
                .product(name: "X509", package: "swift-certificates"),
            ] + nio,
            swiftSettings: strict),
        // Floor 4
        .target(
            name: "ImageImport",
            dependencies: [
                "Compression", "DiskImage", "ForeignText", "Hashing", "ImageStore", "LinuxSystem", "OCI",
                "RegistryClient",
            ] + nio,
            swiftSettings: strict),
        .target(
            name: "ImageExport",
            dependencies: [
                "CISAL", "Compression", "DiskImage", "ForeignText", "Hashing", "ImageStore", "LinuxSystem", "OCI",
                "RegistryClient",
            ] + nio,
            swiftSettings: strict),
        .target(
            name: "Supervisor",
            dependencies: [
                "Control", "DiskImage", "Engine", "ForeignText", "FrozenMachine", "Gateway", "ImageStore",
                "InterceptionProtocol", "LinuxSystem", "NetworkAddress", "NetworkPolicy", "SandboxState", "Template",
                agentProtocol,
            ] + nio,
            swiftSettings: strict),
        .target(
            name: "SnapshotArchive",
            dependencies: [
                "CZstd", "Engine", "ForeignText", "FrozenMachine", "Hashing", "ImageStore", "LinuxSystem", "OCI",
                "SandboxState", "Template",
            ],
            swiftSettings: strict),
        // Floor 5
        .target(
            name: "Sandpiper",
            dependencies: [
                "Control", "ControlClient", "ForeignText", "GuestFiles", "ImageStore", "InterceptionProtocol",
                "LinuxSystem", "NetworkAddress", "NetworkPolicy", "OCI", "SandboxState", agentProtocol, fileProtocol,
            ] + nio,
            swiftSettings: strict),
        // Executables
        .executableTarget(
            name: "sandpiper",
            dependencies: [
                "Control", "ControlClient", "ForeignText", "GuestFiles", "ImageStore", "InterceptionProtocol",
                "LinuxSystem", "NetworkAddress", "NetworkPolicy", "OCI", "SandboxState", "TextLayout", agentProtocol,
                argumentParser,
                fileProtocol,
            ],
            swiftSettings: strict, linkerSettings: staticExecutable),
        .executableTarget(
            name: "sandpiper-supervisor",
            dependencies: [
                "Control", "Engine", "LinuxSystem", "SandboxState", "Supervisor", "Template", "TextLayout",
                argumentParser,
            ] + nio,
            swiftSettings: strict, linkerSettings: staticExecutable),
        .executableTarget(
            name: "sandpiper-mounts", dependencies: ["MountServer"], swiftSettings: strict,
            linkerSettings: staticExecutable),
        .executableTarget(name: "sandpiper-tls", dependencies: ["Interception", "LinuxSystem"], swiftSettings: strict),
        .executableTarget(
            name: "sandpiper-image",
            dependencies: [
                "Engine", "ForeignText", "ImageExport", "ImageImport", "ImageStore", "LinuxSystem", "OCI",
                "RegistryClient", "SandboxState", "SnapshotArchive", "TextLayout", argumentParser,
            ],
            swiftSettings: strict),
        .executableTarget(
            name: "sandpiper-policy",
            dependencies: ["LinuxSystem", "NetworkAddress", "NetworkPolicy", "PolicyFile", argumentParser],
            swiftSettings: strict, linkerSettings: staticExecutable),
        // The examples are packages of their own for their readers, and built and run here by the tests.
        .executableTarget(
            name: "RunPython", dependencies: ["Sandpiper"], path: "Examples/RunPython/Sources/RunPython",
            swiftSettings: strict),
        // Tests
        .testTarget(name: "TextLayoutTests", dependencies: ["TextLayout"], swiftSettings: strict),
        .testTarget(name: "NetworkAddressTests", dependencies: ["NetworkAddress"], swiftSettings: strict),
        // The stack at one end of a TAP device, for the comparison with the kernel at the other.
        .executableTarget(
            name: "stack-peer", dependencies: ["NetworkAddress", "NetworkStack"], path: "Tests/StackPeer",
            exclude: ["compare.py"], swiftSettings: strict),
        .testTarget(
            name: "NetworkPolicyTests", dependencies: ["NetworkAddress", "NetworkPolicy"], swiftSettings: strict),
        .testTarget(name: "DNSMessageTests", dependencies: ["DNSMessage", "NetworkAddress"], swiftSettings: strict),
        .testTarget(
            name: "TrafficInspectionTests", dependencies: ["NetworkAddress", "TrafficInspection"],
            swiftSettings: strict),
        .testTarget(
            name: "NetworkStackTests", dependencies: ["NetworkAddress", "NetworkStack", "stack-peer"],
            swiftSettings: strict),
        .testTarget(
            name: "GatewayTests",
            dependencies: ["DNSMessage", "Gateway", "NetworkAddress", "NetworkPolicy", "SandboxState"],
            swiftSettings: strict),
        .testTarget(
            name: "PolicyFileTests",
            dependencies: ["NetworkAddress", "NetworkPolicy", "PolicyFile", "sandpiper-policy"],
            swiftSettings: strict),
        .testTarget(name: "LinuxSystemTests", dependencies: ["LinuxSystem"], swiftSettings: strict),
        .testTarget(
            name: "CheckpointTests", dependencies: ["CCheckpoint", "Checkpoint", "LinuxSystem"], swiftSettings: strict),
        .testTarget(name: "OCITests", dependencies: ["OCI"], swiftSettings: strict),
        .testTarget(
            name: "DiskImageTests", dependencies: ["CZstd", "DiskImage", "LinuxSystem"], swiftSettings: strict),
        // The jail shows a program the system's libraries only, so the probe must not need Swift's.
        .executableTarget(
            name: "jail-probe", path: "Tests/JailProbe", linkerSettings: [.unsafeFlags(["-static-stdlib"])]),
        .executableTarget(
            name: "engine-holder", dependencies: ["Engine", "LinuxSystem"], path: "Tests/EngineHolder",
            swiftSettings: strict),
        .testTarget(
            name: "EngineTests", dependencies: ["Checkpoint", "Engine", "LinuxSystem", "jail-probe", "engine-holder"],
            swiftSettings: strict),
        .testTarget(
            name: "TemplateTests", dependencies: ["DiskImage", "Engine", "LinuxSystem", "Template", agentProtocol],
            swiftSettings: strict),
        .testTarget(
            name: "RegistryClientTests",
            dependencies: [
                "Hashing", "LinuxSystem", "OCI", "RegistryClient", subprocess,
                .product(name: "NIOHTTP1", package: "swift-nio"),
            ] + nio,
            swiftSettings: strict),
        .testTarget(
            name: "ImageStoreTests", dependencies: ["ImageStore", "LinuxSystem", "OCI"], swiftSettings: strict),
        .testTarget(
            name: "ImageImportTests",
            dependencies: ["ImageImport", "ImageStore", "LinuxSystem", "OCI", "sandpiper-image", crypto],
            swiftSettings: strict),
        .testTarget(
            name: "ImageExportTests",
            dependencies: ["Compression", "DiskImage", "Hashing", "ImageExport", "ImageStore", "LinuxSystem", "OCI"],
            swiftSettings: strict),
        .testTarget(
            name: "GuestFilesTests",
            dependencies: [
                "GuestFiles", "LinuxSystem", .product(name: "FileServer", package: "agent"), fileProtocol, treeArchive,
            ],
            swiftSettings: strict),
        // Mounts what a server serves, as a sandbox does; no Swift, so that it costs the tests nothing.
        .executableTarget(name: "mount-pump", path: "Tests/MountPump"),
        .testTarget(
            name: "MountServerTests",
            dependencies: ["CLinux", "LinuxSystem", "MountServer", "mount-pump", "sandpiper-mounts"],
            swiftSettings: strict),
        .testTarget(
            name: "InterceptionProtocolTests", dependencies: ["InterceptionProtocol", "LinuxSystem", "NetworkAddress"],
            swiftSettings: strict),
        .testTarget(
            name: "InterceptionTests",
            dependencies: [
                "Interception", "InterceptionProtocol", "LinuxSystem", "NetworkAddress", "TrafficInspection",
                "sandpiper-tls", subprocess,
            ],
            swiftSettings: strict),
        .testTarget(
            name: "SandboxStateTests", dependencies: ["InterceptionProtocol", "LinuxSystem", "SandboxState"],
            swiftSettings: strict),
        .testTarget(
            name: "SnapshotArchiveTests",
            dependencies: ["Engine", "FrozenMachine", "LinuxSystem", "OCI", "SandboxState", "SnapshotArchive"],
            swiftSettings: strict),
        .testTarget(
            name: "SupervisorTests",
            dependencies: [
                "Control", "Engine", "FrozenMachine", "LinuxSystem", "SandboxState", "Supervisor", "Template",
                agentProtocol,
            ] + nio,
            swiftSettings: strict),
        .testTarget(
            name: "CommandTests", dependencies: ["ControlClient", "LinuxSystem", "SandboxState", "sandpiper"],
            swiftSettings: strict),
        .testTarget(
            name: "SandpiperTests", dependencies: ["LinuxSystem", "Sandpiper", subprocess], swiftSettings: strict),
        .testTarget(
            name: "IntegrationTests",
            dependencies: ["LinuxSystem", "SandboxState", subprocess],
            swiftSettings: strict),
    ],
    swiftLanguageModes: [.v6]
)
