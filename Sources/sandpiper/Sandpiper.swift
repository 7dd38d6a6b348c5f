import ArgumentParser
import Glibc
import LinuxSystem
import SandboxState

/// The command line: arguments, terminal, and talking to supervisors.
@main
struct Sandpiper: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "sandpiper",
        abstract: "Run untrusted code in microVMs made from container images.",
        version: "0.1.0",
        subcommands: [
            Run.self, Create.self, Start.self, Stop.self, Restart.self, Kill.self, Remove.self, Exec.self, Attach.self,
            Copy.self, Pause.self, Resume.self, Snapshot.self, Restore.self, Fork.self,
            List.self, Inspect.self, Logs.self, Jobs.self, Wait.self, Rename.self, Stats.self, Events.self, Prune.self,
            PolicyCommand.self, PortCommand.self, VolumeCommand.self, NetworkCommand.self,
        ] + ForwardedCommands.all)

    static func main() {
        StandardStreams.fillGaps()
        do {
            try ForwardedCommands.forward(Array(CommandLine.arguments.dropFirst()))
            var command = try parseAsRoot()
            try command.run()
        } catch let status as ExitStatusError {
            Glibc.exit(status.code)
        } catch let error as any FailureMessage {
            complain(error.description)
            Glibc.exit(125)
        } catch {
            // Help and version are errors to the parser; they go to stdout.
            if exitCode(for: error).isSuccess {
                print(fullMessage(for: error))
                Glibc.exit(0)
            }
            complain(message(for: error))
            Glibc.exit(125)
        }
    }
}
