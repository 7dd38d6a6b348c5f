// swift-tools-version: 6.2
import PackageDescription

let strict: [SwiftSetting] = [.treatAllWarnings(as: .error)]

let package = Package(
    name: "sandpiper",
    products: [
        .executable(name: "sandpiper-image", targets: ["sandpiper-image"])
    ],
    dependencies: [
        .package(name: "sandpiper-protocol", path: "protocol"),
        .package(url: "https://github.com/apple/swift-argument-parser.git", exact: "1.8.2"),
        .package(url: "https://github.com/apple/swift-crypto.git", exact: "4.5.2"),
    ],
    targets: [
        .target(name: "CLinux"),
        .target(name: "LinuxSystem", dependencies: ["CLinux"], swiftSettings: strict),
        .systemLibrary(name: "CISAL"),
        .systemLibrary(name: "CZstd"),
        .target(name: "OCI", swiftSettings: strict),
        .target(name: "ImageStore", dependencies: ["LinuxSystem", "OCI"], swiftSettings: strict),
        .target(name: "DiskImage", dependencies: ["LinuxSystem"], swiftSettings: strict),
        .target(
            name: "ImageImport",
            dependencies: [
                "CISAL", "CZstd", "DiskImage", "ImageStore", "LinuxSystem", "OCI",
                .product(name: "Crypto", package: "swift-crypto"),
            ],
            swiftSettings: strict),
        .executableTarget(
            name: "sandpiper-image",
            dependencies: [
                "ImageImport", "ImageStore", "LinuxSystem", "OCI",
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
            ],
            swiftSettings: strict),
        .testTarget(name: "OCITests", dependencies: ["OCI"], swiftSettings: strict),
        .testTarget(name: "ImageStoreTests", dependencies: ["ImageStore", "LinuxSystem", "OCI"], swiftSettings: strict),
        .testTarget(
            name: "ImageImportTests",
            dependencies: [
                "ImageImport", "ImageStore", "LinuxSystem", "OCI", "sandpiper-image",
                .product(name: "Crypto", package: "swift-crypto"),
            ],
            swiftSettings: strict),
        .testTarget(name: "DiskImageTests", dependencies: ["DiskImage", "LinuxSystem"], swiftSettings: strict),
    ],
    swiftLanguageModes: [.v6]
)
