import ArgumentParser
import Glibc
import LinuxSystem
import SandboxState

/// The commands that another executable of this installation carries out, which keeps this one small and quick to start.
/// It gets the arguments untouched, `--help` too; the types here stand for it in the list of commands.
enum ForwardedCommands {
    private static let executables: [(command: any ParsableCommand.Type, executable: String)] = [
        (Load.self, "sandpiper-image"), (Images.self, "sandpiper-image"), (RemoveImage.self, "sandpiper-image"),
        (Doctor.self, "sandpiper-supervisor"),
    ]

    /// The types that stand for the commands.
    static let all = executables.map(\.command)

    /// Becomes the executable that carries out the command, when it is one of these.
    static func forward(_ arguments: [String]) throws {
        let match = executables.first { $0.command._commandName == arguments.first }
        if let match { try execute(match.executable, arguments) }
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

private struct Load: ParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Load images from a docker or OCI archive.")
}

private struct Images: ParsableCommand {
    static let configuration = CommandConfiguration(abstract: "List the images in the store.")
}

private struct RemoveImage: ParsableCommand {
    static let configuration = CommandConfiguration(commandName: "rmi", abstract: "Remove images.")
}

private struct Doctor: ParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Check what Sandpiper needs of this host.")
}
