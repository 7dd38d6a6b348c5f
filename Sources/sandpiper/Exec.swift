import AgentProtocol
import ArgumentParser
import Control
import ControlClient
import Glibc
import LinuxSystem
import SandboxState

/// `sandpiper exec`: a further process in a running sandbox.
struct Exec: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Run a command in a running sandbox.",
        usage: "sandpiper exec [<options>] <sandbox> [--] <command> ...",
        discussion: """
            The environment, user and directory of the sandbox apply. With -d the command goes on in the background: its \
            number is printed, 'sandpiper jobs' lists it, 'logs --job' shows its output, and 'attach' goes back to it.
            """)

    @Option(name: .shortAndLong, help: "Set NAME=VALUE, or pass on NAME.") var env: [String] = []
    @Option(help: "Read environment variables from a file, one a line.") var envFile: [String] = []
    @Option(name: .shortAndLong, help: "Working directory of the command.") var workdir: String?
    @Option(name: .shortAndLong, help: "User and group, by name or number: USER[:GROUP].") var user: String?
    @Flag(name: .shortAndLong, help: "Pass stdin on to the command.") var interactive = false
    @Flag(name: .shortAndLong, help: "Give the command a terminal.") var tty = false
    @Flag(name: .shortAndLong, help: "Leave it running in the background, and print its number.") var detach = false
    @Option(help: "Kill the command after this time, for example 30s or 1h30m.") var timeout: TimeSpan?
    @Flag(help: "Print when each stage was reached.") var timings = false
    @Argument(help: "Name or id of the sandbox.") var sandbox: String
    @Argument(parsing: .captureForPassthrough, help: "The command.") var command: [String] = []

    func validate() throws {
        guard workdir?.hasPrefix("/") != false else { throw ValidationError("--workdir: write an absolute path") }
        let words = command.first == "--" ? command.dropFirst() : command[...]
        guard !words.isEmpty else { throw ValidationError("name the command to run in the sandbox") }
    }

    func run() throws {
        let started = HostClock.monotonic
        let signals = try SignalDescriptor([SIGINT, SIGQUIT, SIGTERM, SIGHUP, SIGWINCH])
        signal(SIGPIPE, SIG_IGN)
        let directory = try SandboxDirectory.find(sandbox, in: try Home.current())
        let record = try RecordFile.read(SandboxRecord.self, from: directory.record)
        let connection = try ControlConnection(waking: directory)
        let job = try job(record.defaults)
        if detach {
            guard case .job(let record) = try connection.request(.startJob(job)) else { throw ControlError.hungUp }
            return print(record.number)
        }
        let terminal = try TerminalIO(wanted: tty, interactive: interactive)
        let client = try ProcessClient(
            connection, terminal, job.process(size: TerminalIO.size), signals: signals,
            timings: timings ? Timings(from: started) : nil, atEnd: { connection.close() })
        throw ExitStatusError(code: try client.run())
    }

    private func job(_ defaults: ProcessDefaults) throws -> JobSpecification {
        let given =
            try envFile.flatMap { try EnvironmentVariables.file($0) }
            + env.compactMap { try EnvironmentVariables.pair($0) }
        return JobSpecification(
            arguments: command.first == "--" ? Array(command.dropFirst()) : command,
            environment: EnvironmentList.merged((tty ? ["TERM=xterm"] : []) + defaults.environment + given),
            workingDirectory: workdir ?? defaults.workingDirectory, user: user ?? defaults.user, terminal: tty,
            takesInput: interactive, timeout: timeout.map { UInt64($0.milliseconds) } ?? 0)
    }
}
