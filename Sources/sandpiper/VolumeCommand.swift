import ArgumentParser
import ForeignText
import Glibc
import LinuxSystem
import SandboxState
import TextLayout

/// `sandpiper volume`: files with a name, which sandboxes show one after the other, or read together.
struct VolumeCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "volume", abstract: "Manage volumes: files with a name that sandboxes show with -v NAME:GUEST.",
        discussion: """
            Many sandboxes may read a volume at a time (-v NAME:GUEST:ro), or one may write to it, and has it alone. \
            'run' and 'create' make a volume that is missing.
            """,
        subcommands: [
            VolumeCreate.self, VolumeList.self, VolumeInspect.self, VolumeRemove.self, VolumePrune.self,
        ])
}

/// A volume as JSON shows it.
private struct VolumeEntry: Encodable {
    let name: String
    /// Seconds since 1970.
    let created: Int64
    /// Bytes that its files take on the host's disk.
    let diskUsage: Int64
    /// Bytes that its files may take; none without a limit.
    let size: Int64?
    let labels: [String: String]
    /// The sandboxes that have it among their mounts.
    let usedBy: [Volume.User]
    /// Where its files are on the host.
    let path: String

    init(_ volume: Volume, _ users: [Volume.User]) throws {
        let record = try volume.record
        name = record.name
        created = record.created
        diskUsage = volume.diskUsage
        size = record.size
        labels = record.labels
        usedBy = users
        path = volume.data
    }

    /// All volumes; one that vanishes meanwhile was removed.
    static func all(in home: Home) throws -> [VolumeEntry] {
        let users = try Volume.users(in: home)
        return try Volume.all(in: home).compactMap { try? VolumeEntry($0, users[$0.name.description] ?? []) }
    }
}

/// `sandpiper volume create`.
struct VolumeCreate: ParsableCommand {
    static let configuration = CommandConfiguration(commandName: "create", abstract: "Make a volume.")

    @Option(help: "The most that its files may take, for example 1g.") var size: ByteSize?
    @Option(name: .shortAndLong, help: "A label: KEY=VALUE, or KEY.") var label: [String] = []
    @Argument(help: "Its name.") var name: VolumeName

    func run() throws {
        guard size.map({ $0 >= .mebibytes(1) }) != false else { throw Failure("--size: choose 1m or more") }
        try Volume.create(name, size: size?.bytes, labels: Labels.parse(label), in: try Home.current())
        print(name)
    }
}

/// `sandpiper volume ls`.
struct VolumeList: ParsableCommand {
    static let configuration = CommandConfiguration(commandName: "ls", abstract: "List volumes.")

    @Flag(name: .shortAndLong, help: "Print names only.") var quiet = false
    @Flag(help: "Print JSON.") var json = false

    func run() throws {
        let home = try Home.current()
        if quiet { return try Volume.all(in: home).forEach { print($0.name) } }
        SandboxDirectory.sweep(home)
        let entries = try VolumeEntry.all(in: home)
        if json { return try Descriptor(duplicating: 1).write(RecordFile.encode(entries)) }
        let now = Int64(time(nil))
        var table = Table("NAME", "USED", "LIMIT", "IN USE BY", "CREATED")
        for entry in entries {
            let running = entry.usedBy.filter(\.isRunning).map { $0.readOnly ? "\($0.name) (ro)" : $0.name }
            table.add(
                entry.name, humanSize(entry.diskUsage), entry.size.map(humanSize) ?? "-",
                running.isEmpty ? "-" : running.joined(separator: ", ").excerpt(60),
                humanDuration(now &- entry.created) + " ago")
        }
        print(table)
    }
}

/// `sandpiper volume inspect`.
struct VolumeInspect: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "inspect", abstract: "Show volumes with all that is known of them, as a JSON array.")

    @Argument(help: "Names of volumes.") var names: [String]

    func run() throws {
        let home = try Home.current()
        SandboxDirectory.sweep(home)
        let users = try Volume.users(in: home)
        let entries = try names.map { try VolumeEntry(volume($0, in: home), users[$0] ?? []) }
        try Descriptor(duplicating: 1).write(RecordFile.encode(entries))
    }
}

/// `sandpiper volume rm`.
struct VolumeRemove: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "rm", abstract: "Remove volumes and their files.",
        discussion: "A volume that a sandbox has among its mounts stays, also when that does not run.")

    @Flag(name: .shortAndLong, help: "Do not mind missing ones.") var force = false
    @Argument(help: "Names of volumes.") var names: [String]

    func run() throws {
        let home = try Home.current()
        SandboxDirectory.sweep(home)
        var failed = false
        for name in names {
            do {
                try volume(name, in: home).remove()
                print(name)
            } catch let error as any FailureMessage {
                if force, case StateError.noSuchVolume = error { continue }
                complain(error.description)
                failed = true
            }
        }
        if failed { throw ExitStatusError(code: names.count == 1 ? 125 : 1) }
    }
}

/// `sandpiper volume prune`.
struct VolumePrune: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "prune", abstract: "Remove the volumes that no sandbox has among its mounts.",
        discussion: "On a terminal you are asked before.")

    @Flag(name: .shortAndLong, help: "Do not ask.") var force = false

    func run() throws {
        let home = try Home.current()
        SandboxDirectory.sweep(home)
        let users = try Volume.users(in: home)
        let unused = try Volume.all(in: home).filter { users[$0.name.description] == nil }
        guard !unused.isEmpty else { return }
        let count = "\(unused.count) volume\(unused.count == 1 ? "" : "s")"
        guard
            try force
                || Confirmation.isGiven("Remove \(count) and all the files in \(unused.count == 1 ? "it" : "them")?")
        else { return }
        for volume in unused {
            // One that a sandbox has taken meanwhile stays.
            do { try volume.remove() } catch {
                switch error {
                case .volumeNamed, .noSuchVolume: continue
                default: throw error
                }
            }
            print(volume.name)
        }
    }
}

private func volume(_ name: String, in home: Home) throws -> Volume {
    guard let checked = VolumeName(name) else { throw StateError.noSuchVolume(name.excerpt()) }
    let volume = Volume(checked, in: home)
    guard volume.exists else { throw StateError.noSuchVolume(name) }
    return volume
}

extension VolumeName: ExpressibleByArgument {
    /// Reads an argument of the command line.
    public init?(argument: String) { self.init(argument) }
}
