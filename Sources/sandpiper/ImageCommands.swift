import ArgumentParser
import Glibc
import LinuxSystem
import SandboxState

/// The commands that `sandpiper-image` carries out: it gets their arguments untouched, `--help` too, and these types
/// stand for them in the list of commands.
enum ImageCommands {
    static let all: [any ParsableCommand.Type] = [Load.self, Images.self, RemoveImage.self]

    /// Becomes `sandpiper-image` when the first argument is one of its commands.
    static func forward(_ arguments: [String]) throws {
        guard let first = arguments.first, all.contains(where: { $0._commandName == first }) else { return }
        try execute("sandpiper-image", arguments)
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
