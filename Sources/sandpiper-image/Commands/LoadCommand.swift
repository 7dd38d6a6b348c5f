import ArgumentParser
import Glibc
import ImageImport
import ImageStore
import LinuxSystem
import OCI

struct LoadCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "load",
        abstract: "Load images from an archive made by skopeo, buildah, umoci or docker.",
        discussion: """
            Understood are docker-save archives and OCI layouts (archives, also directories), plain or compressed with \
            gzip or zstd. For each image one line is printed: what it can be run by.
            """)

    @Argument(help: ArgumentHelp("The archive, or - for standard input.", valueName: "file"))
    var file = "-"

    @Option(
        help: ArgumentHelp("Name the archive's one image, whatever the archive calls it.", valueName: "reference"),
        transform: reference)
    var name: Reference?

    @OptionGroup var options: ImportOptions

    @Option(help: "Print text or json.")
    var format = OutputFormat.text

    private struct Line: Encodable {
        let reference: String
        let digest: Digest
    }

    func run() throws {
        let input: ArchiveInput
        if file == "-" {
            guard isatty(STDIN_FILENO) == 0 else {
                throw UserError("load: standard input is a terminal; name a file or redirect one")
            }
            input = .stream(Descriptor(owning: STDIN_FILENO))
        } else {
            input = .path(file)
        }
        let limits = try options.limits
        let store = try openStore()
        let workspace = try store.makeWorkspace()
        defer { workspace.discard() }
        try Interruption.handle { workspace.discard(then: $0) }
        let images: [ImportedImage]
        do {
            images = try ImageImporter(store: store, limits: limits).load(
                input, in: workspace, as: name, for: options.platform ?? .host)
        } catch {
            throw UserError("load: \(error)\(error.blamesSource ? "; make or copy the archive again" : "")")
        }
        switch format {
        case .text: for image in images { print(image.name) }
        case .json: try printJSON(images.map { Line(reference: $0.name, digest: $0.digest) })
        }
    }
}
