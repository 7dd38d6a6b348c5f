import ArgumentParser
import Glibc
import ImageStore
import LinuxSystem
import OCI
import SandboxState

/// The commands for images. `sandpiper` runs this program for them.
@main
struct SandpiperImage: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "sandpiper-image",
        abstract: "Fetch, load, list, show, give out and remove images.",
        subcommands: [
            PullCommand.self, PushCommand.self, LoginCommand.self, LogoutCommand.self, LoadCommand.self,
            SaveCommand.self, ImagesCommand.self, InspectCommand.self, HistoryCommand.self, TagCommand.self,
            RemoveCommand.self, PruneCommand.self, DiskUsageCommand.self, SnapshotCommand.self,
        ])

    /// The exit status of failures of our own, as Docker has it.
    static let failure: Int32 = 125

    static func main() async {
        StandardStreams.fillGaps()
        do {
            var command = try parseAsRoot()
            if var command = command as? any AsyncParsableCommand {
                try await command.run()
            } else {
                try command.run()
            }
        } catch let status as ExitCode {
            Glibc.exit(status.rawValue)
        } catch {
            // Help and version are errors to the parser; they go to stdout. All others are one line and Docker's status.
            if exitCode(for: error).isSuccess { exit(withError: error) }
            report(message(for: error))
            Glibc.exit(failure)
        }
    }

    /// Prints an error of our own on stderr.
    static func report(_ message: String) { StandardError.print("sandpiper: \(message)") }
}

/// The form in which a command prints.
enum OutputFormat: String, ExpressibleByArgument, CaseIterable {
    case text
    case json
}

/// Opens the store of this user, swept of what killed commands left.
func openStore() throws -> ImageStore {
    let store = try ImageStore(home: Home.current().path)
    try store.sweep()
    return store
}

/// Something that the user must set right.
struct UserError: Error, CustomStringConvertible {
    let description: String

    init(_ description: String) { self.description = description }
}

/// Reads a reference among the arguments.
@Sendable func reference(_ text: String) throws -> Reference {
    do { return try Reference(text) } catch { throw ValidationError("\(error)") }
}

/// The sandboxes that run from each image.
func imageUsers() throws(ImageStoreError) -> [Digest: [String]] {
    do {
        var users: [Digest: [String]] = [:]
        for (digest, names) in try SandboxDirectory.users(in: Home.current()) { users[try Digest(digest)] = names }
        return users
    } catch {
        // Whoever cannot read the records must not conclude that nothing is used.
        throw .unknownUsers(reason: "\(error)")
    }
}
