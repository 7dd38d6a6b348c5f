// swift-tools-version: 6.2
import PackageDescription

let strict: [SwiftSetting] = [.treatAllWarnings(as: .error)]

let package = Package(
    name: "sandpiper-protocol",
    products: [
        .library(name: "AgentProtocol", targets: ["AgentProtocol"]),
        .library(name: "FileProtocol", targets: ["FileProtocol"]),
        .library(name: "Tar", targets: ["Tar"]),
        .library(name: "TreeArchive", targets: ["TreeArchive"]),
        .library(name: "CFileSystem", targets: ["CFileSystem"]),
    ],
    targets: [
        .target(name: "AgentProtocol", swiftSettings: strict),
        .target(name: "FileProtocol", dependencies: ["AgentProtocol"], swiftSettings: strict),
        .target(name: "Tar", swiftSettings: strict),
        .target(name: "CFileSystem", cSettings: [.treatAllWarnings(as: .error)]),
        .target(name: "TreeArchive", dependencies: ["CFileSystem", "Tar"], swiftSettings: strict),
        .testTarget(name: "AgentProtocolTests", dependencies: ["AgentProtocol"], swiftSettings: strict),
        .testTarget(
            name: "FileProtocolTests", dependencies: ["AgentProtocol", "FileProtocol"], swiftSettings: strict),
        .testTarget(name: "TarTests", dependencies: ["Tar"], swiftSettings: strict),
    ],
    swiftLanguageModes: [.v6]
)
