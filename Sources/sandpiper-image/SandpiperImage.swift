import ArgumentParser
import Glibc
import ImageStore

/// The commands for images. `sandpiper` runs this program for them.
@main
struct SandpiperImage: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "sandpiper-image",
        abstract: "Load, list, show and remove images.",
        subcommands: [LoadCommand.self, ImagesCommand.self, InspectCommand.self, RemoveCommand.self])

    /// The exit status of failures of our own, as Docker has it.
    static let failure: Int32 = 125

    static func main() {
        do {
            var command = try parseAsRoot()
            do { try command.run() } catch let error where !isForParser(error) {
                report(error)
                throw ExitCode(failure)
            }
        } catch {
            exit(withError: error)
        }
    }

    /// Prints an error of our own on stderr.
    static func report(_ error: any Error) {
        let line = Array("sandpiper: \(error)\n".utf8)
        // When even stderr is closed there is nobody to tell.
        line.withUnsafeBytes { _ = write(STDERR_FILENO, $0.baseAddress, $0.count) }
    }

    private static func isForParser(_ error: any Error) -> Bool {
        error is ExitCode || error is CleanExit || error is ValidationError
    }
}

/// The form in which a command prints.
enum OutputFormat: String, ExpressibleByArgument, CaseIterable {
    case text
    case json
}

/// Opens the store of this user, swept of what killed commands left.
func openStore() throws -> ImageStore {
    let store = try ImageStore(home: SandpiperHome.path())
    try store.sweep()
    return store
}

/// Something that the user must set right.
struct UserError: Error, CustomStringConvertible {
    let description: String
}

/// Where Sandpiper keeps its state.
enum SandpiperHome {
    /// `$SANDPIPER_HOME`, or `.sandpiper` in the user's home directory; never a relative path.
    static func path() throws -> String {
        if let path = variable("SANDPIPER_HOME") {
            guard path.hasPrefix("/") else { throw UserError(description: "SANDPIPER_HOME must be an absolute path") }
            return path
        }
        guard let home = variable("HOME"), home.hasPrefix("/") else {
            throw UserError(description: "neither SANDPIPER_HOME nor HOME is set; set one to an absolute path")
        }
        return home + "/.sandpiper"
    }

    private static func variable(_ name: String) -> String? {
        guard let value = getenv(name) else { return nil }
        // The environment's strings end in NUL and stay while nobody calls setenv, which this program never does.
        let text = String(cString: value)
        return text.isEmpty ? nil : text
    }
}
