// swift-tools-version: 6.2
import PackageDescription

let strict: [SwiftSetting] = [.treatAllWarnings(as: .error)]
let agentProtocol = Target.Dependency.product(name: "AgentProtocol", package: "protocol")
let foreignText = Target.Dependency.product(name: "ForeignText", package: "sandpiper")
let linuxSystem = Target.Dependency.product(name: "LinuxSystem", package: "sandpiper")
let compression = Target.Dependency.product(name: "Compression", package: "sandpiper")
let diskImage: [Target.Dependency] = [
    "FuzzInput", .product(name: "DiskImage", package: "sandpiper"), linuxSystem,
]
let fileProtocol = Target.Dependency.product(name: "FileProtocol", package: "protocol")
let tar = Target.Dependency.product(name: "Tar", package: "protocol")
let treeArchive = Target.Dependency.product(name: "TreeArchive", package: "protocol")
let networkStack: [Target.Dependency] = [.product(name: "NetworkStack", package: "sandpiper")]
let oci = Target.Dependency.product(name: "OCI", package: "sandpiper")

// One executable for each parser. Parsers that are no module's public face stand in their fuzzer's folder as a symbolic
// link to the file that is theirs: they are built alone, and no module says more to the world than its callers need.
let fuzzers: [Target] = [
    .executableTarget(
        name: "FuzzClientHello", dependencies: [.product(name: "TrafficInspection", package: "sandpiper")],
        swiftSettings: strict),
    .executableTarget(
        name: "FuzzClientMessages",
        dependencies: [agentProtocol, .product(name: "Control", package: "sandpiper")], swiftSettings: strict),
    .executableTarget(name: "FuzzCompression", dependencies: [compression], swiftSettings: strict),
    .executableTarget(
        name: "FuzzDNSMessage", dependencies: [.product(name: "DNSMessage", package: "sandpiper")],
        swiftSettings: strict),
    .executableTarget(name: "FuzzDockerConfiguration", dependencies: ["RegistryParsers"], swiftSettings: strict),
    .executableTarget(name: "FuzzELF", dependencies: ["FuzzInput", linuxSystem], swiftSettings: strict),
    .executableTarget(name: "FuzzFileMessages", dependencies: [fileProtocol], swiftSettings: strict),
    .executableTarget(name: "FuzzFrames", dependencies: [agentProtocol], swiftSettings: strict),
    .executableTarget(
        name: "FuzzHTTP1",
        dependencies: [
            .product(name: "TrafficInspection", package: "sandpiper")
        ],
        swiftSettings: strict),
    .executableTarget(
        name: "FuzzHTTPRequests", dependencies: [.product(name: "TrafficInspection", package: "sandpiper")],
        swiftSettings: strict),
    .executableTarget(
        name: "FuzzImageArchive",
        dependencies: diskImage + [
            compression, foreignText, oci, "RegistryParsers", .product(name: "ImageStore", package: "sandpiper"),
        ],
        // The sources of ImageImport know registries by their errors only.
        swiftSettings: strict + [.unsafeFlags(["-module-alias", "RegistryClient=RegistryParsers"])]),
    .executableTarget(
        name: "FuzzInterceptionMessages",
        dependencies: [.product(name: "InterceptionProtocol", package: "sandpiper")], swiftSettings: strict),
    .executableTarget(
        name: "FuzzJobLog", dependencies: [linuxSystem, .product(name: "SandboxState", package: "sandpiper")],
        swiftSettings: strict),
    .executableTarget(name: "FuzzLayerIndex", dependencies: diskImage, swiftSettings: strict),
    .executableTarget(name: "FuzzManifest", dependencies: [oci], swiftSettings: strict),
    .executableTarget(
        name: "FuzzMountRequests",
        dependencies: [.product(name: "CLinux", package: "sandpiper"), linuxSystem, treeArchive], swiftSettings: strict),
    .executableTarget(name: "FuzzNetworkPackets", dependencies: networkStack, swiftSettings: strict),
    .executableTarget(name: "FuzzNetworkStack", dependencies: networkStack, swiftSettings: strict),
    .executableTarget(
        name: "FuzzPolicyFile",
        dependencies: [
            .product(name: "NetworkPolicy", package: "sandpiper"), .product(name: "PolicyFile", package: "sandpiper"),
        ], swiftSettings: strict),
    .executableTarget(
        name: "FuzzPolicyRule", dependencies: [.product(name: "NetworkPolicy", package: "sandpiper")],
        swiftSettings: strict),
    .executableTarget(
        name: "FuzzPrivateNetworks",
        dependencies: networkStack + [.product(name: "SandboxState", package: "sandpiper")], swiftSettings: strict),
    .executableTarget(
        name: "FuzzPlaceholders", dependencies: [.product(name: "TrafficInspection", package: "sandpiper")],
        swiftSettings: strict),
    .executableTarget(
        name: "FuzzProxyHandshake",
        dependencies: networkStack + [.product(name: "SandboxState", package: "sandpiper")], swiftSettings: strict),
    .executableTarget(name: "FuzzQMP", swiftSettings: strict),
    .executableTarget(name: "FuzzReference", dependencies: [oci], swiftSettings: strict),
    .executableTarget(name: "FuzzRegistryConfiguration", dependencies: ["RegistryParsers"], swiftSettings: strict),
    .executableTarget(name: "FuzzRegistryHeaders", dependencies: ["RegistryParsers"], swiftSettings: strict),
    .executableTarget(
        name: "FuzzSnapshotArchive",
        dependencies: [
            compression, foreignText, linuxSystem, oci, "QuickHashing",
            .product(name: "FrozenMachine", package: "sandpiper"), .product(name: "SandboxState", package: "sandpiper"),
        ],
        swiftSettings: strict + [.unsafeFlags(["-module-alias", "Hashing=QuickHashing"])]),
    .executableTarget(name: "FuzzStreams", dependencies: [agentProtocol], swiftSettings: strict),
    .executableTarget(
        name: "FuzzSupervisorMessages",
        dependencies: [agentProtocol, .product(name: "Control", package: "sandpiper")], swiftSettings: strict),
    .executableTarget(name: "FuzzTar", dependencies: diskImage, swiftSettings: strict),
    .executableTarget(name: "FuzzTarListing", dependencies: diskImage, swiftSettings: strict),
    .executableTarget(name: "FuzzTarReader", dependencies: ["FuzzInput", tar], swiftSettings: strict),
    .executableTarget(name: "FuzzTarRecord", dependencies: diskImage, swiftSettings: strict),
    .executableTarget(
        name: "FuzzTreeExtractor", dependencies: ["FuzzInput", linuxSystem, treeArchive], swiftSettings: strict),
    .executableTarget(name: "FuzzUserDatabase", swiftSettings: strict),
]

let package = Package(
    name: "sandpiper-fuzz",
    products: fuzzers.map { .executable(name: $0.name, targets: [$0.name]) },
    dependencies: [
        // Named, since a clone's folder may have any name.
        .package(name: "sandpiper", path: ".."),
        .package(name: "protocol", path: "../protocol"),
    ],
    targets: fuzzers + [
        .target(name: "FuzzInput", dependencies: [linuxSystem], swiftSettings: strict),
        .target(name: "QuickHashing", dependencies: [oci], swiftSettings: strict),
        // The parsers of RegistryClient, without the network.
        .target(name: "RegistryParsers", dependencies: [foreignText, linuxSystem, oci], swiftSettings: strict),
        .executableTarget(
            name: "MakeSeeds",
            dependencies: diskImage + [agentProtocol, fileProtocol, .product(name: "Control", package: "sandpiper")],
            swiftSettings: strict),
    ],
    swiftLanguageModes: [.v6]
)
