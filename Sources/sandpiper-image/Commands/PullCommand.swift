import ArgumentParser
import ImageImport
import ImageStore
import LinuxSystem
import OCI

struct PullCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "pull",
        abstract: "Fetch images from registries.",
        discussion: """
            Layers that are here already are not fetched. Credentials are those of `sandpiper login`, then those of \
            Docker's configuration with its credential helpers. For each image one line is printed: what it can be run \
            by. Mirrors, private certificate authorities and plain HTTP can be set for each registry in registries.json \
            in Sandpiper's home.
            """)

    @Argument(
        help: ArgumentHelp("Names, for example python:3.12-slim or ghcr.io/owner/name.", valueName: "image"),
        transform: reference)
    var images: [Reference]

    @OptionGroup var options: ImportOptions
    @OptionGroup var connection: RegistryConnection

    @Option(help: "Show progress on stderr: auto, plain, json or none.")
    var progress = ProgressStyle.auto

    @Flag(name: .shortAndLong, help: "Show no progress.")
    var quiet = false

    @Option(help: "Print text or json.")
    var format = OutputFormat.text

    private struct Line: Encodable {
        let reference: String
        let digest: Digest
        let isNew: Bool
    }

    func run() async throws {
        let limits = try options.limits
        let store = try openStore()
        var lines: [Line] = []
        let workspace = try store.makeWorkspace()
        defer { workspace.discard() }
        try Interruption.handle { workspace.discard(then: $0) }
        try await connection.withClient { registry in
            for reference in images {
                let display = ProgressDisplay(quiet ? .none : progress, of: reference)
                let importer = ImageImporter(store: store, limits: limits) { display.show($0) }
                do {
                    let (image, isNew) = try await importer.pull(
                        reference, from: registry, in: workspace, for: options.platform ?? .host)
                    display.finish()
                    lines.append(Line(reference: image.name, digest: image.digest, isNew: isNew))
                    if format == .text { print(image.name) }
                } catch {
                    display.finish()
                    throw UserError("pull: \(error)")
                }
            }
        }
        if format == .json { try printJSON(lines) }
    }
}
