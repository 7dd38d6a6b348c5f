// swift-tools-version: 6.2
import PackageDescription

let strict: [SwiftSetting] = [.treatAllWarnings(as: .error)]

let package = Package(
    name: "sandpiper-protocol",
    products: [.library(name: "AgentProtocol", targets: ["AgentProtocol"])],
    targets: [
        .target(name: "AgentProtocol", swiftSettings: strict),
        .testTarget(name: "AgentProtocolTests", dependencies: ["AgentProtocol"], swiftSettings: strict),
    ],
    swiftLanguageModes: [.v6]
)
