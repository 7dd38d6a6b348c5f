import ArgumentParser
import ImageStore
import OCI

struct InspectCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "inspect", abstract: "Show all that is known of images, as a JSON array.")

    @Argument(help: ArgumentHelp("References, or beginnings of digests.", valueName: "image"))
    var images: [String]

    func run() throws {
        let store = try openStore()
        try printJSON(try images.map { try ImageInspection(store.resolve($0)) })
    }
}

/// What `inspect` prints of one image.
struct ImageInspection: Encodable {
    let digest: Digest
    let references: [String]
    let mediaType: MediaType
    let configurationDigest: Digest
    let os: String
    let architecture: String
    let variant: String?
    let created: String?
    let size: Int64
    let layers: [Digest]
    let entrypoint: [String]
    let command: [String]
    let environment: [String]
    let user: String
    let workingDirectory: String
    let stopSignal: String?
    let labels: [String: String]
    let volumes: [String]
    let exposedPorts: [String]
    let history: [ImageConfiguration.History]

    init(_ image: StoredImage) throws {
        let configuration = try image.configuration
        digest = image.digest
        references = image.references.map(\.familiar)
        mediaType = image.record.mediaType
        configurationDigest = image.record.configuration
        os = configuration.platform.os
        architecture = configuration.platform.architecture
        variant = configuration.platform.variant
        created = configuration.created
        size = image.record.size
        layers = image.record.layers
        entrypoint = configuration.entrypoint
        command = configuration.command
        environment = configuration.environment
        user = configuration.user
        workingDirectory = configuration.workingDirectory
        stopSignal = configuration.stopSignal
        labels = configuration.labels
        volumes = configuration.volumes
        exposedPorts = configuration.exposedPorts
        history = configuration.history
    }
}
