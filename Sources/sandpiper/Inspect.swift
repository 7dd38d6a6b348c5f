import ArgumentParser
import Glibc
import LinuxSystem
import SandboxState

/// `sandpiper inspect`: a sandbox with its engine, or an image, as JSON.
struct Inspect: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Show sandboxes, or images, with all that is known of them, as a JSON array.")

    @Argument(help: "Names or ids of sandboxes, or images.") var names: [String]

    private struct Sandbox: Encodable {
        let sandbox: SandboxRecord
        let life: SandboxLife
        /// While it runs.
        let engine: EngineRecord?
        /// How many jobs it has had that are still known of.
        let jobs: Int
        /// Bytes that its files take on the host's disk.
        let diskUsage: Int64
        let limits: [LimitReport]
    }

    func run() throws {
        let home = try Home.current()
        SandboxDirectory.sweepAll(home)
        let found = names.map { name in (name: name, directory: try? SandboxDirectory.find(name, in: home)) }
        let directories = found.compactMap(\.directory)
        if directories.isEmpty { try ForwardedCommands.execute("sandpiper-image", ["inspect"] + names) }
        if let missing = found.first(where: { $0.directory == nil }) {
            throw Failure("inspect: there is no sandbox '\(missing.name)'; name sandboxes or images, not both at once")
        }
        try Descriptor(duplicating: 1).write(RecordFile.encode(directories.map(Self.inspect)))
    }

    private static func inspect(_ directory: SandboxDirectory) throws -> Sandbox {
        let entry = try SandboxEntry(directory)
        let engine = entry.life.isOwned ? try? RecordFile.read(EngineRecord.self, from: directory.engine) : nil
        return Sandbox(
            sandbox: entry.record, life: entry.life, engine: engine, jobs: JobDirectory.all(directory.jobs).count,
            diskUsage: directory.diskUsage, limits: LimitReport.all(entry.record.limits, entry.life, engine: engine))
    }
}
