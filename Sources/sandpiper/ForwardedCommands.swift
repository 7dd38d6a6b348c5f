import ArgumentParser
import Glibc
import LinuxSystem
import SandboxState

/// The commands that another executable of this installation carries out, which keeps this one small and quick to start.
/// It gets the arguments untouched, `--help` too; the types here stand for it in the list of commands.
enum ForwardedCommands {
    private static let executables: [(command: any ParsableCommand.Type, executable: String)] = [
        (Pull.self, "sandpiper-image"), (Push.self, "sandpiper-image"), (Login.self, "sandpiper-image"),
        (Logout.self, "sandpiper-image"), (Load.self, "sandpiper-image"), (Save.self, "sandpiper-image"),
        (Images.self, "sandpiper-image"), (History.self, "sandpiper-image"), (Tag.self, "sandpiper-image"),
        (RemoveImage.self, "sandpiper-image"), (DiskUsage.self, "sandpiper-image"),
        (Policy.self, "sandpiper-policy"), (Template.self, "sandpiper-supervisor"),
        (Doctor.self, "sandpiper-supervisor"),
    ]

    /// The types that stand for the commands.
    static let all = executables.map(\.command)

    /// The types that stand for commands of `snapshot`, which ``snapshotExecutable`` carries out.
    static let ofSnapshots: [any ParsableCommand.Type] = [
        SnapshotVerify.self, SnapshotExport.self, SnapshotImport.self,
    ]
    private static let snapshotExecutable = "sandpiper-image"

    /// Becomes the executable that carries out the command, when it is one of these.
    static func forward(_ arguments: [String]) throws {
        let match = executables.first { $0.command._commandName == arguments.first }
        if let match { try execute(match.executable, arguments) }
        if arguments.count > 1, arguments[0] == Snapshot._commandName,
            ofSnapshots.contains(where: { $0._commandName == arguments[1] })
        {
            try execute(snapshotExecutable, arguments)
        }
    }

    /// Becomes another executable of this installation.
    static func execute(_ name: String, _ arguments: [String]) throws {
        let path = try Installation().executable(name)
        var vector: [UnsafeMutablePointer<CChar>?] = ([path] + arguments).map { strdup($0) }
        vector.append(nil)
        execv(path, &vector)
        throw SystemError("execute", path)
    }
}

private struct Pull: ParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Fetch images from registries.")
}

private struct Push: ParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Send an image to a registry.")
}

private struct Login: ParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Keep a user name and password for a registry.")
}

private struct Logout: ParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Forget the password kept for a registry.")
}

private struct Load: ParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Load images from a docker or OCI archive.")
}

private struct Save: ParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Write images to a docker or OCI archive.")
}

private struct Images: ParsableCommand {
    static let configuration = CommandConfiguration(abstract: "List the images in the store.")
}

private struct History: ParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Show how an image was made.")
}

private struct Tag: ParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Give an image a further name.")
}

private struct RemoveImage: ParsableCommand {
    static let configuration = CommandConfiguration(commandName: "rmi", abstract: "Remove images.")
}

private struct DiskUsage: ParsableCommand {
    static let configuration = CommandConfiguration(commandName: "df", abstract: "Show what takes the disk.")
}

private struct SnapshotVerify: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "verify", abstract: "Read snapshots whole and say whether they are sound.")
}

private struct SnapshotExport: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "export", abstract: "Write a snapshot to an archive for another host with the same engine.")
}

private struct SnapshotImport: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "import", abstract: "Make a snapshot of an archive.")
}

private struct Policy: ParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Check and explain files of network policies.")
}

private struct Template: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Manage the frozen machines that sandboxes are forks of.")
}

private struct Doctor: ParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Check what Sandpiper needs of this host.")
}
