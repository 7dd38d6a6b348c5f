import ArgumentParser
import ForeignText
import Glibc
import LinuxSystem
import SandboxState
import TextLayout

/// `sandpiper ls`: the sandboxes, and where they are in their lives.
struct List: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "ls", abstract: "List sandboxes that run or are paused, or all.",
        discussion: """
            Filters of one key are alternatives, those of different keys must all hold, and so must all labels. A filter \
            by status shows all that have it, running or not.
            """, aliases: ["ps"])

    @Flag(name: .shortAndLong, help: "Those too that are neither running nor paused.") var all = false
    @Flag(name: .shortAndLong, help: "Print ids only.") var quiet = false
    @Option(help: SandboxFilter.help) var filter: [SandboxFilter] = []
    @Flag(help: "Print JSON.") var json = false

    /// A sandbox in the JSON.
    private struct Line: Encodable {
        let id: String
        let name: String?
        let labels: [String: String]
        let image: String
        let imageDigest: String
        let status: SandboxLife.Status
        let reason: String?
        let exitStatus: Int32?
        /// Seconds since 1970, as the next two.
        let created: Int64
        let started: Int64?
        let ended: Int64?
        let restarts: Int

        init(_ entry: SandboxEntry) {
            (id, name, labels) = (entry.record.id, entry.record.name, entry.record.labels)
            (image, imageDigest) = (entry.record.image, entry.record.imageDigest)
            (status, reason, exitStatus) = (entry.life.status, entry.life.reason, entry.life.exitStatus)
            (created, started, ended) = (entry.record.created, entry.life.started, entry.life.ended)
            restarts = entry.life.restarts
        }
    }

    func run() throws {
        let entries = try SandboxEntry.all(in: try Home.current()).filter { isShown($0) }
        if json { return try Descriptor(duplicating: 1).write(RecordFile.encode(entries.map(Line.init))) }
        if quiet { return entries.forEach { print($0.record.id.printable) } }
        let now = Int64(time(nil))
        var table = Table("ID", "NAME", "IMAGE", "STATUS", "CREATED")
        for entry in entries {
            table.add(
                entry.shortID, entry.name, entry.record.image.excerpt(60), entry.life.summary(now: now),
                humanDuration(now &- entry.record.created) + " ago")
        }
        print(table)
    }

    private func isShown(_ entry: SandboxEntry) -> Bool {
        let isInQuestion =
            all || entry.life.isOwned || entry.life.status == .paused || filter.contains { $0.key == .status }
        return isInQuestion && filter.matches(entry)
    }
}
