import ArgumentParser
import ImageStore
import OCI
import TextLayout

struct PruneCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "prune",
        abstract: "Remove images that have no name, and what killed commands left.",
        discussion: "An image that a sandbox runs from stays, whatever its names.")

    @Flag(name: .shortAndLong, help: "Remove every image that no sandbox runs from, named or not.")
    var all = false

    @Option(help: "Print text or json.")
    var format = OutputFormat.text

    private struct Report: Encodable {
        let untagged: [String]
        let deleted: [Digest]
        let bytes: Int64
    }

    func run() throws {
        let store = try openStore()
        let (removals, bytes) = try store.prune(all: all, users: imageUsers)
        if format == .json {
            return try printJSON(
                Report(
                    untagged: removals.compactMap { if case .untagged(let name) = $0 { name.familiar } else { nil } },
                    deleted: removals.compactMap { if case .deleted(let digest) = $0 { digest } else { nil } },
                    bytes: bytes))
        }
        for removal in removals { print(removal) }
        print("Freed: \(humanSize(bytes))")
    }
}
