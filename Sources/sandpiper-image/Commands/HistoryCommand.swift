import ArgumentParser
import ForeignText
import ImageStore
import OCI
import TextLayout

struct HistoryCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "history", abstract: "Show how an image was made, the last step first.")

    @Argument(help: ArgumentHelp("A reference, or the beginning of a digest.", valueName: "image"))
    var image: String

    @Flag(help: "Show commands in full.")
    var noTrunc = false

    @Option(help: "Print text or json.")
    var format = OutputFormat.text

    private struct Step: Encodable {
        var created: String?
        var createdBy: String?
        var comment: String?
        /// The digest of the step's uncompressed layer; `nil` for a step that made none.
        var layer: Digest?
        /// What the layer takes here, in bytes.
        var size: Int64
    }

    func run() throws {
        let store = try openStore()
        let steps = try self.steps(store.resolve(image))
        if format == .json { return try printJSON(steps) }
        let rows = steps.map { step in
            let words = (step.createdBy ?? "").split(whereSeparator: \.isWhitespace).joined(separator: " ")
            return [
                step.layer?.short ?? "-", String(step.created?.prefix(10) ?? "-").excerpt(),
                humanSize(step.size), words.excerpt(noTrunc ? .max : 72),
                (step.comment ?? "").excerpt(),
            ]
        }
        print(Table(rows: [["LAYER", "CREATED", "SIZE", "CREATED BY", "COMMENT"]] + rows))
    }

    /// The steps that the image tells of, and layers of which it tells nothing.
    private func steps(_ image: StoredImage) throws -> [Step] {
        var layers = image.record.layers[...]
        var steps = try image.configuration.history.map { entry in
            let layer = entry.emptyLayer == true ? nil : layers.popFirst()
            return Step(
                created: entry.created, createdBy: entry.createdBy, comment: entry.comment, layer: layer,
                size: layer.map(image.size) ?? 0)
        }
        steps += layers.map { Step(layer: $0, size: image.size(of: $0)) }
        return steps.reversed()
    }
}
