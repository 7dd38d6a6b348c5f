// swift-tools-version: 6.2
import PackageDescription

let strict: [SwiftSetting] = [.treatAllWarnings(as: .error)]

let package = Package(
    name: "sandpiper-guest-agent",
    products: [.executable(name: "sandpiper-agent", targets: ["sandpiper-agent"])],
    dependencies: [.package(name: "protocol", path: "../../protocol")],
    targets: [
        .target(name: "CAgent", cSettings: [.treatAllWarnings(as: .error)]),
        .target(
            name: "AgentCore",
            dependencies: ["CAgent", .product(name: "AgentProtocol", package: "protocol")],
            swiftSettings: strict),
        .executableTarget(name: "sandpiper-agent", dependencies: ["AgentCore"], swiftSettings: strict),
        .testTarget(
            name: "AgentCoreTests",
            dependencies: ["AgentCore", "CAgent", .product(name: "AgentProtocol", package: "protocol")],
            swiftSettings: strict),
    ],
    swiftLanguageModes: [.v6]
)
