// swift-tools-version: 6.2
import PackageDescription

let package = Package(
    name: "RunPython",
    dependencies: [.package(name: "sandpiper", path: "../..")],
    targets: [
        .executableTarget(name: "RunPython", dependencies: [.product(name: "Sandpiper", package: "sandpiper")])
    ],
    swiftLanguageModes: [.v6]
)
