import ArgumentParser
import Engine
import Glibc
import ImageStore
import LinuxSystem
import SandboxState
import SnapshotArchive

/// What of `sandpiper snapshot` compresses and hashes, as images do.
struct SnapshotCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "snapshot", abstract: "Verify snapshots, and write them to archives and back.",
        subcommands: [SnapshotVerify.self, SnapshotExportCommand.self, SnapshotImportCommand.self])
}

/// `sandpiper snapshot verify`.
struct SnapshotVerify: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "verify",
        abstract: "Read snapshots whole and say whether they are sound; the exit status is 1 when one is not.")

    @Argument(help: "Names or ids of snapshots.") var snapshots: [String]

    func run() throws {
        let home = try Home.current()
        SandboxDirectory.sweep(home)
        var isSound = true
        for text in snapshots {
            let (directory, record) = try SnapshotDirectory.find(text, in: home)
            if let damage = try directory.damage() {
                isSound = false
                SandpiperImage.report("snapshot \(record.name ?? record.id) is damaged: \(damage)")
            } else {
                print("\(record.name ?? record.id) sound")
            }
        }
        if !isSound { throw ExitCode(1) }
    }
}

/// `sandpiper snapshot export`.
struct SnapshotExportCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "export", abstract: "Write a snapshot to an archive for another host with the same engine.",
        discussion: """
            All that was in the sandbox's memory and on its disk is in the archive, secrets too. Its image is not: the \
            other host needs it in its store.
            """)

    @Option(name: .shortAndLong, help: ArgumentHelp("Write to this file; - is standard output.", valueName: "file"))
    var output = "-"

    @Argument(help: "Name or id of the snapshot.") var snapshot: String

    func run() throws {
        let home = try Home.current()
        SandboxDirectory.sweep(home)
        let (directory, record) = try SnapshotDirectory.find(snapshot, in: home)
        // The archive's digests would be right for whatever is read.
        if let damage = try directory.damage() {
            throw UserError("snapshot export: snapshot \(record.name ?? record.id) is damaged: \(damage)")
        }
        let target = try ExportedFile(output)
        defer { target.discard() }
        try Interruption.handle { end in
            target.discard()
            end()
        }
        do {
            try SnapshotExport(directory, record, store: try openStore()).write(to: target.file)
            try target.publish()
        } catch let error as SystemError where error.number == EPIPE {
            throw UserError("snapshot export: whoever reads went away")
        } catch { throw UserError("snapshot export: \(error)") }
    }
}

/// `sandpiper snapshot import`.
struct SnapshotImportCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "import", abstract: "Make a snapshot of an archive that 'snapshot export' has written.",
        discussion: """
            Prints the snapshot's id. It is refused, with the reason, where the engine, the processor or the devices are \
            others than it was made with, and where its image is not in the store.
            """)

    @Option(help: "A name for the snapshot, instead of the archive's.") var name: String?

    @Argument(help: ArgumentHelp("The archive, or - for standard input.", valueName: "file")) var file = "-"

    func run() throws {
        let name = try self.name.map { text in
            guard let name = SandboxName(text) else {
                throw ValidationError("--name \(text): choose 1 to 63 letters, digits and _.-")
            }
            return name
        }
        let home = try Home.current()
        SandboxDirectory.sweep(home)
        let input: Descriptor
        if file == "-" {
            guard isatty(STDIN_FILENO) == 0 else {
                throw UserError("snapshot import: standard input is a terminal; name a file or redirect one")
            }
            input = Descriptor(owning: STDIN_FILENO)
        } else {
            input = try Descriptor(opening: file)
        }
        let importing = SnapshotImport(into: home, store: try openStore(), try Installation())
        try Interruption.handle { importing.discard(then: $0) }
        do { print(try importing.run(input, name: name).id) } catch { throw UserError("snapshot import: \(error)") }
    }
}
