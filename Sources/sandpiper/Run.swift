import AgentProtocol
import ArgumentParser
import Glibc
import ImageStore
import LinuxSystem
import OCI
import SandboxState

/// `sandpiper run`: one process in a new sandbox that goes when the process ends.
struct Run: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Run a command in a new sandbox.",
        usage: "sandpiper run [<options>] <image> [--] [<command> ...]",
        discussion: """
            The image's entrypoint, command, environment, user and working directory apply as they do with Docker. The \
            exit status is the command's own: 126 when it cannot be executed, 127 when it is not found, 128 + N when \
            signal N ended it, 124 after --timeout, 125 when Sandpiper itself failed.
            """)

    @Option(help: "Virtual CPUs, 1 to 64.") var cpus: Int = 1
    @Option(help: "Memory, for example 512m or 2g.") var memory: ByteSize = .mebibytes(512)
    @Option(help: "Size of the writable disk, for example 10g.") var disk: ByteSize = .mebibytes(8192)
    @Option(name: .shortAndLong, help: "Set NAME=VALUE, or pass on NAME.") var env: [String] = []
    @Option(help: "Read environment variables from a file, one a line.") var envFile: [String] = []
    @Option(name: .shortAndLong, help: "Working directory of the command.") var workdir: String?
    @Option(name: .shortAndLong, help: "User and group, by name or number: USER[:GROUP].") var user: String?
    @Flag(name: .shortAndLong, help: "Pass stdin on to the command.") var interactive = false
    @Flag(name: .shortAndLong, help: "Give the command a terminal.") var tty = false
    @Option(help: "A name for the sandbox.") var name: SandboxName?
    @Option(help: "Replace the image's entrypoint.") var entrypoint: String?
    @Option(help: "Kill the command after this time, for example 30s or 1h30m.") var timeout: TimeSpan?
    @Flag(name: .customLong("require-kvm"), help: "Refuse to emulate: fail where KVM does not really work.")
    var requireKVM = false
    @Option(help: "Fetch the image from its registry: always, when it is missing, or never.")
    var pull = PullPolicy.missing
    @Flag(help: "Print when each stage of the start was reached.") var timings = false
    @Option(help: ArgumentHelp("Another guest kernel.", valueName: "file")) var kernel: String?
    @Argument(parsing: .captureForPassthrough, help: "The image, and the command to run in it.")
    var imageAndCommand: [String] = []

    func validate() throws {
        // All that the parser does not know goes with the command, its own help too.
        if let first = imageAndCommand.first, ["-h", "--help"].contains(first) { throw CleanExit.helpRequest(self) }
        guard imageAndCommand.first.map({ !$0.hasPrefix("-") }) == true else {
            let option = imageAndCommand.first.map { "'\($0)' is not an option of run" } ?? "name the image to run"
            throw ValidationError("\(option); see 'sandpiper run --help'")
        }
        guard (1...64).contains(cpus) else { throw ValidationError("--cpus \(cpus): choose 1 to 64") }
        guard (ByteSize.mebibytes(64)...ByteSize.mebibytes(1 << 20)).contains(memory) else {
            throw ValidationError("--memory \(memory): choose 64m to 1t")
        }
        guard (ByteSize.mebibytes(64)...ByteSize.mebibytes(8 << 20)).contains(disk) else {
            throw ValidationError("--disk \(disk): choose 64m to 8t")
        }
        guard workdir?.hasPrefix("/") != false else { throw ValidationError("--workdir: write an absolute path") }
    }

    func run() throws {
        let started = HostClock.monotonic
        // Before any thread and child: a signal from now on ends the sandbox in order.
        let signals = try SignalDescriptor([SIGINT, SIGQUIT, SIGTERM, SIGHUP, SIGWINCH])
        signal(SIGPIPE, SIG_IGN)
        let home = try Home.current()
        let store = try ImageStore(home: home.path)
        try store.sweep()
        let installation = try Installation()
        let image = try pull.find(imageAndCommand[0], in: store, installation, signals)
        let specification = try process(image.configuration)
        let terminal = try TerminalIO(wanted: tty, interactive: interactive)
        let record = SandboxRecord(
            id: SandboxID(), name: name, image: imageAndCommand[0], imageDigest: "\(image.digest)", cpus: cpus,
            memory: memory.roundedUp(to: .mebibytes(2)).bytes, disk: disk.roundedUp(to: .mebibytes(1)).bytes,
            requireKVM: requireKVM, kernel: try kernel.map(existing) ?? installation.kernel(),
            initramfs: try installation.initramfs(), created: Int64(time(nil)))
        let supervisor = try SupervisorProcess(record, in: home, installation, terminal: terminal.descriptor)
        let client = try ProcessClient(
            supervisor, terminal, specification, signals: signals, timings: timings ? Timings(from: started) : nil)
        throw ExitStatusError(code: try client.run())
    }

    private func existing(_ path: String) throws -> String {
        guard let resolved = realpath(path, nil) else { throw Failure("--kernel \(path): there is no such file") }
        defer { free(resolved) }
        return String(cString: resolved)
    }

    /// The process to start: the image's configuration under what the options say.
    private func process(_ image: ImageConfiguration) throws -> ProcessSpecification {
        var command = Array(imageAndCommand.dropFirst())
        if command.first == "--" { command.removeFirst() }
        // As with Docker, another entrypoint also drops the image's own command.
        let first = entrypoint.map { $0.isEmpty ? [] : [$0] } ?? image.entrypoint
        let arguments = first + (command.isEmpty && entrypoint == nil ? image.command : command)
        guard !arguments.isEmpty else {
            throw Failure("the image \(imageAndCommand[0]) names no command; write one after it")
        }
        let given =
            try envFile.flatMap { try EnvironmentVariables.file($0) }
            + env.compactMap { try EnvironmentVariables.pair($0) }
        var environment = ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"]
        if tty { environment.append("TERM=xterm") }
        environment += image.environment + given
        return ProcessSpecification(
            arguments: arguments, environment: EnvironmentVariables.merged(environment),
            workingDirectory: workdir ?? image.workingDirectory, makesWorkingDirectory: true, user: user ?? image.user,
            terminal: tty ? TerminalIO.size : nil, takesInput: interactive,
            timeout: timeout.map { UInt64($0.milliseconds) } ?? 0)
    }
}

extension ByteSize: ExpressibleByArgument {
    /// Reads an argument of the command line.
    public init?(argument: String) { self.init(argument) }
}

extension TimeSpan: ExpressibleByArgument {
    /// Reads an argument of the command line.
    public init?(argument: String) { self.init(argument) }
}

extension SandboxName: ExpressibleByArgument {
    /// Reads an argument of the command line.
    public init?(argument: String) { self.init(argument) }
}
