// swift-tools-version: 6.2
import PackageDescription

let strict: [SwiftSetting] = [.treatAllWarnings(as: .error)]

let package = Package(
    name: "sandpiper-guest-agent",
    products: [
        .executable(name: "sandpiper-agent", targets: ["sandpiper-agent"]),
        // For the tests of its client, on the host.
        .library(name: "FileServer", targets: ["FileServer"]),
    ],
    dependencies: [.package(name: "protocol", path: "../../protocol")],
    targets: [
        .target(name: "CAgent", cSettings: [.treatAllWarnings(as: .error)]),
        .target(
            name: "AgentCore",
            dependencies: [
                "CAgent", "FileServer", .product(name: "AgentProtocol", package: "protocol"),
                .product(name: "TreeArchive", package: "protocol"),
            ],
            swiftSettings: strict),
        .target(
            name: "FileServer",
            dependencies: [
                .product(name: "AgentProtocol", package: "protocol"),
                .product(name: "CFileSystem", package: "protocol"),
                .product(name: "FileProtocol", package: "protocol"),
                .product(name: "Tar", package: "protocol"), .product(name: "TreeArchive", package: "protocol"),
            ],
            swiftSettings: strict),
        .executableTarget(name: "sandpiper-agent", dependencies: ["AgentCore"], swiftSettings: strict),
        // The agent starts processes from one thread; a test has many.
        .executableTarget(
            name: "builtin-starter", dependencies: ["AgentCore", .product(name: "AgentProtocol", package: "protocol")],
            path: "Tests/BuiltinStarter", swiftSettings: strict),
        .testTarget(
            name: "AgentCoreTests",
            dependencies: [
                "AgentCore", "CAgent", "builtin-starter", .product(name: "AgentProtocol", package: "protocol"),
                .product(name: "FileProtocol", package: "protocol"),
            ],
            swiftSettings: strict),
        .testTarget(
            name: "FileServerTests",
            dependencies: [
                "FileServer", .product(name: "AgentProtocol", package: "protocol"),
                .product(name: "FileProtocol", package: "protocol"),
                .product(name: "TreeArchive", package: "protocol"),
            ],
            swiftSettings: strict),
    ],
    swiftLanguageModes: [.v6]
)
