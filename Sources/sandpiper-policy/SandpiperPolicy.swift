import ArgumentParser
import Glibc
import LinuxSystem

/// The commands for files of policies. `sandpiper policy` runs this program, and `--policy FILE` has it read the file:
/// what reads YAML is not on a sandbox's way otherwise.
@main
struct SandpiperPolicy: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "sandpiper policy",
        abstract: "Check and explain files of network policies.",
        subcommands: [TestCommand.self, CheckCommand.self, CompileCommand.self])

    /// The exit status of failures of our own, as Docker has it.
    static let failure: Int32 = 125

    static func main() {
        StandardStreams.fillGaps()
        do {
            let arguments = CommandLine.arguments.dropFirst()
            var command = try parseAsRoot(Array(arguments.first == "policy" ? arguments.dropFirst() : arguments))
            try command.run()
        } catch let status as ExitCode {
            Glibc.exit(status.rawValue)
        } catch {
            // Help and version are errors to the parser; they go to stdout. All others are one line and Docker's status.
            if exitCode(for: error).isSuccess { exit(withError: error) }
            StandardError.print("sandpiper: \(message(for: error))")
            Glibc.exit(failure)
        }
    }
}
