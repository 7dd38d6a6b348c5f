import ArgumentParser
import ImageStore
import LinuxSystem
import OCI
import SandboxState
import TextLayout

struct DiskUsageCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "df",
        abstract: "Show what images, sandboxes and caches take of the disk.",
        discussion: "Reclaimable is what `prune --all` would free.")

    @Flag(name: .shortAndLong, help: "Show each image, with what it shares with others.")
    var verbose = false

    @Option(help: "Print text or json.")
    var format = OutputFormat.text

    private struct Report: Encodable {
        struct Image: Encodable {
            let reference: String
            let digest: Digest
            let size: Int64
            let shared: Int64
            let sandboxes: [String]
        }

        var images: [Image]
        var imageBytes: Int64
        var reclaimableBytes: Int64
        var sandboxes: Int
        var sandboxBytes: Int64
        var cacheBytes: Int64
    }

    func run() throws {
        let home = try Home.current()
        let store = try openStore()
        let users = try imageUsers()
        let usage = try store.usage(used: Set(users.keys))
        let images = try store.images().map { image in
            let whole = usage.whole[image.digest, default: 0]
            return Report.Image(
                reference: image.name, digest: image.digest, size: whole,
                shared: whole - usage.own[image.digest, default: 0], sandboxes: users[image.digest, default: []])
        }
        let report = Report(
            images: images, imageBytes: usage.total, reclaimableBytes: usage.reclaimable,
            sandboxes: try SandboxDirectory.all(in: home).count,
            sandboxBytes: FileTree.diskUsage(home.sandboxes), cacheBytes: FileTree.diskUsage(home.cache))
        if format == .json { return try printJSON(report) }
        if verbose {
            let rows = images.map { image in
                [
                    image.reference, image.digest.short, humanSize(image.size), humanSize(image.shared),
                    "\(image.sandboxes.count)",
                ]
            }
            print("\(Table(rows: [["IMAGE", "DIGEST", "SIZE", "SHARED", "SANDBOXES"]] + rows))\n")
        }
        print(
            Table(rows: [
                ["TYPE", "COUNT", "SIZE", "RECLAIMABLE"],
                ["Images", "\(images.count)", humanSize(report.imageBytes), humanSize(report.reclaimableBytes)],
                ["Sandboxes", "\(report.sandboxes)", humanSize(report.sandboxBytes), "-"],
                ["Caches", "-", humanSize(report.cacheBytes), "-"],
            ]))
    }
}
