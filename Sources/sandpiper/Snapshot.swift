import ArgumentParser
import Control
import ControlClient
import ForeignText
import Glibc
import LinuxSystem
import SandboxState
import TextLayout

/// `sandpiper snapshot`: sandboxes written down, to begin others from.
struct Snapshot: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Write sandboxes down, with memory and processes, to begin others from.",
        subcommands: [
            SnapshotCreate.self, SnapshotList.self, SnapshotInspect.self, SnapshotRemove.self,
        ] + ForwardedCommands.ofSnapshots)
}

/// `sandpiper snapshot create`.
struct SnapshotCreate: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "create", abstract: "Write down a sandbox as it is at one instant; it goes on.",
        discussion: """
            Prints the snapshot's id, and on stderr how long the sandbox stood still for it. A sandbox that is stopped has a \
            disk only.
            """)

    @Flag(help: "Without memory and processes.") var diskOnly = false
    @Argument(help: "Name or id of the sandbox.") var sandbox: String
    @Argument(help: "A name for the snapshot.") var name: SandboxName?

    func run() throws {
        signal(SIGPIPE, SIG_IGN)
        let home = try Home.current()
        SandboxDirectory.sweep(home)
        let directory = try SandboxDirectory.find(sandbox, in: home)
        let request = SnapshotRequest(name: name, diskOnly: diskOnly)
        let record = try directory.snapshot(request)
        complain("the sandbox stood still for \(record.pause / 1000) ms")
        print(record.id)
    }
}

/// `sandpiper snapshot ls`.
struct SnapshotList: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "ls", abstract: "List snapshots.",
        discussion:
            "OWN is the disk that goes free when the snapshot is removed, ALL what it takes with what others share.")

    @Flag(name: .shortAndLong, help: "Print ids only.") var quiet = false
    @Flag(help: "Print JSON.") var json = false

    private struct Line: Encodable {
        let id: String
        let name: String?
        let created: Int64
        let sandbox: String
        let image: String
        let hasMemory: Bool
        let ownDisk: Int64
        let allDisk: Int64
    }

    func run() throws {
        let home = try Home.current()
        SandboxDirectory.sweep(home)
        let all = try SnapshotDirectory.all(in: home)
        if quiet { return all.forEach { print($0.1.id) } }
        let now = Int64(time(nil))
        var table = Table("ID", "NAME", "SANDBOX", "IMAGE", "MEMORY", "OWN", "ALL", "CREATED")
        var lines: [Line] = []
        for (directory, record) in all {
            let usage = directory.diskUsage
            lines.append(
                Line(
                    id: record.id, name: record.name, created: record.created,
                    sandbox: record.sandbox.name ?? record.sandbox.id, image: record.sandbox.image,
                    hasMemory: record.hasMemory, ownDisk: usage.own, allDisk: usage.all))
            table.add(
                String(record.id.prefix(12)), record.name ?? "", (record.sandbox.name ?? record.sandbox.id).excerpt(30),
                record.sandbox.image.excerpt(60), record.hasMemory ? "yes" : "no", humanSize(usage.own),
                humanSize(usage.all), humanDuration(now &- record.created) + " ago")
        }
        if json { return try Descriptor(duplicating: 1).write(RecordFile.encode(lines)) }
        print(table)
    }
}

/// `sandpiper snapshot inspect`.
struct SnapshotInspect: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "inspect", abstract: "Print all that is known of snapshots as JSON.")

    @Argument(help: "Names or ids of snapshots.") var snapshots: [String]

    private struct Entry: Encodable {
        let snapshot: SnapshotRecord
        let ownDisk: Int64
        let allDisk: Int64
    }

    func run() throws {
        let home = try Home.current()
        let entries = try snapshots.map { text in
            let (directory, record) = try SnapshotDirectory.find(text, in: home)
            let usage = directory.diskUsage
            return Entry(snapshot: record, ownDisk: usage.own, allDisk: usage.all)
        }
        try Descriptor(duplicating: 1).write(RecordFile.encode(entries))
    }
}

/// `sandpiper snapshot rm`.
struct SnapshotRemove: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "rm", abstract: "Remove snapshots; sandboxes that began from them are not touched.")

    @Argument(help: "Names or ids of snapshots.") var snapshots: [String]

    func run() throws {
        let home = try Home.current()
        for text in snapshots {
            let (directory, record) = try SnapshotDirectory.find(text, in: home)
            try directory.remove()
            print(record.id)
        }
    }
}

/// `sandpiper restore`: a new sandbox from a snapshot.
struct Restore: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Make a new sandbox that goes on from a snapshot.",
        discussion: """
            It has an identity of its own: id, host name, machine id, random numbers. Processes go on where they were; \
            what a client had started goes on unheard. A snapshot of a disk is started like a stopped sandbox.
            """)

    @Option(help: "A name for the sandbox.") var name: SandboxName?
    @Flag(help: "Print when each stage was reached.") var timings = false
    @Argument(help: "Name or id of the snapshot.") var snapshot: String

    func run() throws {
        let start = try RestoreStart()
        let (directory, record) = try SnapshotDirectory.find(snapshot, in: start.home)
        for id in try start.children(of: directory, record, names: [name], showsTimings: timings) { print(id) }
    }
}

/// `sandpiper fork`: sandboxes that go on from a running one.
struct Fork: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Make sandboxes that go on from a running one, which goes on too.",
        discussion: "Prints their ids. It is a snapshot, so many times 'restore', and the snapshot's removal.")

    @Option(name: .shortAndLong, help: "How many, 1 to 1000.") var number = 1
    @Option(help: "A name for the new sandbox; with -n they get it with a number behind.") var name: SandboxName?
    @Flag(help: "Print when each stage was reached.") var timings = false
    @Argument(help: "Name or id of the sandbox.") var sandbox: String

    func validate() throws {
        guard (1...1000).contains(number) else { throw ValidationError("-n \(number): choose 1 to 1000") }
    }

    func run() throws {
        let start = try RestoreStart()
        let parent = try SandboxDirectory.find(sandbox, in: start.home)
        let snapshot = try TemporarySnapshot(in: start.home)
        defer { try? snapshot.remove() }
        let record = try parent.snapshot(SnapshotRequest(id: snapshot.directory.id, isTemporary: true))
        let names = try (1...number).map { index in
            guard let name, number > 1 else { return name }
            guard let numbered = SandboxName("\(name)-\(index)") else { throw Failure("--name \(name) is too long") }
            return numbered
        }
        for id in try start.children(of: snapshot.directory, record, names: names, showsTimings: timings) { print(id) }
    }
}

extension SandboxDirectory {
    /// Has the sandbox's supervisor make a snapshot, or makes one of the disk of a sandbox at rest.
    func snapshot(_ request: SnapshotRequest) throws -> SnapshotRecord {
        do {
            guard case .snapshot(let record) = try ControlConnection(to: self).request(.snapshot(request)) else {
                throw ControlError.hungUp
            }
            return record
        } catch let error as ControlError {
            guard case .notRunning = error, !isOwned else { throw error }
            return try snapshotAtRest(request)
        }
    }
}

/// What making sandboxes from a snapshot begins with.
struct RestoreStart {
    let time = HostClock.monotonic
    let signals: SignalDescriptor
    let home: Home
    let installation: Installation

    init() throws {
        // Before any thread and child: a signal from now on ends what was begun in order.
        signals = try SignalDescriptor([SIGINT, SIGQUIT, SIGTERM, SIGHUP])
        signal(SIGPIPE, SIG_IGN)
        home = try Home.current()
        SandboxDirectory.sweep(home)
        installation = try Installation()
    }

    /// Makes sandboxes, all at once, and waits until they are ready; when one fails all are removed.
    /// - Returns: their ids.
    func children(
        of snapshot: SnapshotDirectory, _ record: SnapshotRecord, names: [SandboxName?], showsTimings: Bool
    ) throws -> [String] {
        var started: [(record: SandboxRecord, supervisor: SupervisorProcess)] = []
        do {
            for name in names {
                let child = record.child(named: name)
                started.append(
                    (child, try SupervisorProcess(restoring: child, from: snapshot, record, home, installation)))
            }
            for (index, child) in started.enumerated() {
                var timings = showsTimings && index == 0 ? Timings(from: time) : nil
                try ReadyWait(child.supervisor, signals).run(&timings)
                timings?.print()
            }
        } catch {
            for child in started {
                guard let id = SandboxID(child.record.id) else { continue }
                try? SandboxRemoval.remove(SandboxDirectory(id, in: home), force: true, in: home)
            }
            throw error
        }
        for child in started {
            guard let id = SandboxID(child.record.id) else { continue }
            EventLog(home).append(.init(.restore, id, name: child.record.name, detail: record.name ?? record.id))
        }
        return started.map(\.record.id)
    }
}
