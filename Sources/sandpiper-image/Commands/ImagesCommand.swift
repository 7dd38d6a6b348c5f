import ArgumentParser
import ForeignText
import ImageStore
import OCI
import TextLayout

struct ImagesCommand: ParsableCommand {
    static let configuration = CommandConfiguration(commandName: "images", abstract: "List images.")

    @Flag(name: .shortAndLong, help: "Print digests only.")
    var quiet = false

    @Option(help: "Print text or json.")
    var format = OutputFormat.text

    private struct Line: Encodable {
        let references: [String]
        let digest: Digest
        let platform: String
        let created: String?
        let size: Int64
    }

    func run() throws {
        let images = try openStore().images()
        if quiet {
            for image in images { print(image.digest) }
        } else if format == .json {
            try printJSON(
                images.map { image in
                    Line(
                        references: image.references.map(\.familiar), digest: image.digest,
                        platform: image.record.platform.description, created: image.record.created,
                        size: image.record.size)
                })
        } else {
            var rows = [["IMAGE", "DIGEST", "PLATFORM", "CREATED", "SIZE"]]
            for image in images {
                let names = image.references.isEmpty ? ["<none>"] : image.references.map(\.familiar)
                for name in names {
                    rows.append([
                        name, image.digest.short, image.record.platform.description.excerpt(),
                        String(image.record.created?.prefix(10) ?? "-").excerpt(),
                        humanSize(image.record.size),
                    ])
                }
            }
            print(Table(rows: rows))
        }
    }
}
