import ArgumentParser
import ImageExport
import ImageStore
import LinuxSystem
import OCI

struct PushCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "push",
        abstract: "Send an image to a registry.",
        discussion: """
            The image goes where its name says; `sandpiper tag` gives it another. What came compressed is sent as it \
            came, so that a pulled image keeps its digest; what was loaded uncompressed is compressed with gzip. The \
            digest that the image has at the registry is printed.
            """)

    @Argument(
        help: ArgumentHelp("The image's name, as `sandpiper images` shows it.", valueName: "reference"),
        transform: reference)
    var image: Reference

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
    }

    func run() async throws {
        let store = try openStore()
        let stored = try store.resolve(image.canonical)
        let workspace = try store.makeWorkspace()
        defer { workspace.discard() }
        try Interruption.handle { workspace.discard(then: $0) }
        let display = ProgressDisplay(quiet ? .none : progress, of: image)
        let digest = try await connection.withClient { registry in
            defer { display.finish() }
            do {
                return try await ImagePush(to: registry, in: workspace) { display.show($0) }.push(stored, as: image)
            } catch let error as ImageExportError { throw UserError("push: \(error)") }
        }
        switch format {
        case .text: print("\(image.repository)@\(digest)")
        case .json: try printJSON(Line(reference: image.familiar, digest: digest))
        }
    }
}
