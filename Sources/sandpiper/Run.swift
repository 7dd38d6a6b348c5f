import AgentProtocol
import ArgumentParser
import Control
import ControlClient
import Glibc
import ImageStore
import LinuxSystem
import OCI
import SandboxState

/// `sandpiper run`: a new sandbox for one command. In the foreground the sandbox goes when the command ends; with `-d` it
/// goes on without this command, and stops when its own ends.
struct Run: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Run a command in a new sandbox.",
        usage: "sandpiper run [<options>] <image> [--] [<command> ...]",
        discussion: """
            The image's entrypoint, command, environment, user and working directory apply as they do with Docker. The \
            exit status is the command's own: 126 when it cannot be executed, 127 when it is not found, 128 + N when \
            signal N ended it, 124 after --timeout, 125 when Sandpiper itself failed.
            """)

    @OptionGroup var options: SandboxOptions
    @Flag(name: .shortAndLong, help: "Pass stdin on to the command.") var interactive = false
    @Flag(name: .shortAndLong, help: "Give the command a terminal.") var tty = false
    @Flag(name: .shortAndLong, help: "Leave the sandbox running in the background, and print its id.")
    var detach = false
    @Option(help: "Kill the command after this time, for example 30s or 1h30m.") var timeout: TimeSpan?
    @OptionGroup var target: ImageAndCommand

    func run() throws {
        let start = try NewSandboxStart(options)
        let image = try options.pull.find(target.image, in: start.store, start.installation, start.signals)
        var sandbox = try options.sandbox(image, target.image, command: target.command, start.installation)
        let job = try job(sandbox)
        if detach { return try start.detached(sandbox, main: job, options) }
        guard options.restart == .never else { throw Failure("--restart: only with -d") }
        sandbox.removesItself = true
        sandbox.endsWithClient = true
        let terminal = try TerminalIO(wanted: tty, interactive: interactive)
        let record = try sandbox.record(kernel: options.kernelPath(), start.installation)
        let supervisor = try SupervisorProcess(
            creating: record, in: start.home, start.installation, terminal: terminal.descriptor)
        let client = try ProcessClient(
            supervisor.connection, terminal, job.process(size: TerminalIO.size), signals: start.signals,
            timings: options.timings ? Timings(from: start.time) : nil, atEnd: { supervisor.end() })
        throw ExitStatusError(code: try client.run())
    }

    private func job(_ sandbox: NewSandbox) throws -> JobSpecification {
        let arguments = sandbox.arguments
        guard !arguments.isEmpty else {
            throw Failure("the image \(target.image) names no command; write one after it")
        }
        let defaults = sandbox.defaults
        let environment = tty ? EnvironmentList.merged(["TERM=xterm"] + defaults.environment) : defaults.environment
        return JobSpecification(
            arguments: arguments, environment: environment, workingDirectory: defaults.workingDirectory,
            user: defaults.user, terminal: tty, takesInput: interactive,
            timeout: timeout.map { UInt64($0.milliseconds) } ?? 0)
    }
}

/// `sandpiper create`: a new sandbox, awake, in the background.
struct Create: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Make a sandbox and wake it; when this returns, exec works.",
        usage: "sandpiper create [<options>] <image> [--] [<command> ...]",
        discussion: """
            Prints the sandbox's id. With a command the sandbox is for that process and stops when it ends; without one \
            it goes on until it is stopped.
            """)

    @OptionGroup var options: SandboxOptions
    @Flag(help: "Only make it: 'sandpiper start' wakes it.") var noStart = false
    @OptionGroup var target: ImageAndCommand

    func run() throws {
        let start = try NewSandboxStart(options)
        let image = try options.pull.find(target.image, in: start.store, start.installation, start.signals)
        let sandbox = try options.sandbox(image, target.image, command: target.command, start.installation)
        let defaults = sandbox.defaults
        let main =
            target.command.isEmpty
            ? nil
            : JobSpecification(
                arguments: sandbox.arguments, environment: defaults.environment,
                workingDirectory: defaults.workingDirectory, user: defaults.user)
        if noStart {
            try start.made(sandbox, main: main, options)
        } else {
            try start.detached(sandbox, main: main, options)
        }
    }
}

/// What making a sandbox begins with, whoever keeps it afterwards.
struct NewSandboxStart {
    let time = HostClock.monotonic
    let signals: SignalDescriptor
    let home: Home
    let store: ImageStore
    let installation: Installation

    /// Finds home and installation, and puts right what killed supervisors left.
    init(_ options: SandboxOptions) throws {
        // Before any thread and child: a signal from now on ends the sandbox in order.
        signals = try SignalDescriptor([SIGINT, SIGQUIT, SIGTERM, SIGHUP, SIGWINCH])
        signal(SIGPIPE, SIG_IGN)
        home = try Home.current()
        SandboxDirectory.sweep(home)
        store = try ImageStore(home: home.path)
        try store.sweep()
        installation = try Installation()
        try options.makeRoom(in: home)
    }

    /// Makes a sandbox that goes on without this command, waits until it is ready, and prints its id.
    func detached(_ sandbox: NewSandbox, main: JobSpecification?, _ options: SandboxOptions) throws {
        let record = try sandbox.record(main: main, kernel: options.kernelPath(), installation)
        let supervisor = try SupervisorProcess(creating: record, in: home, installation)
        var timings = options.timings ? Timings(from: time) : nil
        try ReadyWait(supervisor, signals).run(&timings)
        timings?.print()
        EventLog(home).append(.init(.create, try id(record), name: record.name))
        print(record.id)
    }

    /// Makes a sandbox and leaves it at rest.
    func made(_ sandbox: NewSandbox, main: JobSpecification?, _ options: SandboxOptions) throws {
        let record = try sandbox.record(main: main, kernel: options.kernelPath(), installation)
        let lock = try SandboxDirectory.create(record, in: home)
        let directory = SandboxDirectory(try id(record), in: home)
        do {
            try directory.synchronize()
            try RecordFile.write(SandboxLife(.created), to: directory.life, durable: true)
        } catch {
            directory.remove()
            throw error
        }
        directory.release()
        withExtendedLifetime(lock) {}
        EventLog(home).append(.init(.create, directory.id, name: record.name))
        print(record.id)
    }

    private func id(_ record: SandboxRecord) throws -> SandboxID {
        guard let id = SandboxID(record.id) else { throw StateError.noSuchSandbox(record.id) }
        return id
    }
}
