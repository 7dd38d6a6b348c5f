import ArgumentParser
import ControlClient
import Glibc
import ImageStore
import LinuxSystem
import SandboxState

/// What a new sandbox is to be: the options that `run` and `create` share.
struct SandboxOptions: ParsableArguments {
    @Option(help: "Virtual CPUs, 1 to 64.") var cpus: Int = 1
    @Option(help: "Memory, for example 512m or 2g.") var memory: ByteSize = .mebibytes(512)
    @Option(help: "Size of the writable disk, for example 10g.") var disk: ByteSize = .mebibytes(8192)
    @Option(help: "Most processes and threads at one time.") var pidsLimit: UInt32?
    @Option(help: "Percent of one CPU of the host, where a control group is delegated to you.") var cpuPercent: Int?
    @Option(help: "Bytes a second from and to the host's disk, where a control group is delegated to you.")
    var diskRate: ByteSize?
    @Option(name: .shortAndLong, help: "Set NAME=VALUE, or pass on NAME.") var env: [String] = []
    @Option(help: "Read environment variables from a file, one a line.") var envFile: [String] = []
    @Option(name: .shortAndLong, help: "Working directory of the command.") var workdir: String?
    @Option(name: .shortAndLong, help: "User and group, by name or number: USER[:GROUP].") var user: String?
    @Option(help: "A name for the sandbox.") var name: SandboxName?
    @Option(name: .shortAndLong, help: "A label: KEY=VALUE, or KEY.") var label: [String] = []
    @Flag(name: .customLong("rm"), help: "Remove the sandbox when it stops.") var removes = false
    @Flag(help: "Remove the sandbox that has the name now.") var replace = false
    @Option(help: "Stop the sandbox after this time, for example 1h30m.") var maxDuration: TimeSpan?
    @Option(help: "Stop the sandbox when no process ran and nobody was connected for this time.")
    var idleTimeout: TimeSpan?
    @Option(help: "What then: stop, or pause and go on with the next exec, cp or attach.") var onIdle: IdleAction?
    @Option(help: "Start it again when it ends: no, on-failure[:N] or always.") var restart: RestartPolicy = .never
    @Option(help: "A directory that lies on the disk itself, not in the overlay; for container engines inside.")
    var scratch: [String] = []
    @Option(
        name: .shortAndLong,
        help: ArgumentHelp(
            "Show a directory or file of the host, or a volume, at a path of the sandbox.", valueName: "host:guest[:ro]"
        ))
    var volume: [String] = []
    @Option(
        help: ArgumentHelp("Mount memory at a path of the sandbox, perhaps with a limit.", valueName: "guest[:size]"))
    var tmpfs: [String] = []
    @OptionGroup(title: "Network options") var network: NetworkOptions
    @Option(help: "Replace the image's entrypoint.") var entrypoint: String?
    @Flag(name: .customLong("require-kvm"), help: "Refuse to emulate: fail where KVM does not really work.")
    var requireKVM = false
    @Option(help: "Fetch the image from its registry: always, when it is missing, or never.")
    var pull = PullPolicy.missing
    @Flag(help: "Print when each stage of the start was reached.") var timings = false
    @Option(help: ArgumentHelp("Another guest kernel.", valueName: "file")) var kernel: String?

    func validate() throws {
        guard (1...64).contains(cpus) else { throw ValidationError("--cpus \(cpus): choose 1 to 64") }
        guard (ByteSize.mebibytes(64)...ByteSize.mebibytes(1 << 20)).contains(memory) else {
            throw ValidationError("--memory \(memory): choose 64m to 1t")
        }
        guard (ByteSize.mebibytes(64)...ByteSize.mebibytes(8 << 20)).contains(disk) else {
            throw ValidationError("--disk \(disk): choose 64m to 8t")
        }
        guard cpuPercent.map({ (1...6400).contains($0) }) != false else {
            throw ValidationError("--cpu-percent: choose 1 to 6400")
        }
        guard workdir?.hasPrefix("/") != false else { throw ValidationError("--workdir: write an absolute path") }
        for path in scratch where !path.hasPrefix("/") || path == "/" || path.split(separator: "/").contains("..") {
            throw ValidationError("--scratch \(path): write an absolute path other than /")
        }
        guard onIdle == nil || idleTimeout != nil else {
            throw ValidationError("--on-idle: say with --idle-timeout when it is idle")
        }
        guard !replace || name != nil else { throw ValidationError("--replace: give the --name to replace") }
    }

    /// What an image and these options make together.
    func sandbox(
        _ image: StoredImage, _ reference: String, command: [String], _ installation: Installation
    ) throws -> NewSandbox {
        var sandbox = try NewSandbox(reference, image)
        sandbox.name = name
        sandbox.labels = try Labels.parse(label)
        sandbox.limits = SandboxLimits(
            cpus: cpus, memory: memory.roundedUp(to: .mebibytes(2)).bytes,
            disk: disk.roundedUp(to: .mebibytes(1)).bytes, processes: pidsLimit ?? 0,
            maximumDuration: maxDuration?.milliseconds, idleTimeout: idleTimeout?.milliseconds, cpuPercent: cpuPercent,
            diskRate: diskRate?.bytes)
        sandbox.environment =
            try envFile.flatMap { try EnvironmentVariables.file($0) }
            + env.compactMap { try EnvironmentVariables.pair($0) }
        sandbox.workingDirectory = workdir
        sandbox.user = user
        sandbox.entrypoint = entrypoint
        sandbox.command = command
        sandbox.requireKVM = requireKVM
        sandbox.removesItself = removes
        sandbox.restart = restart
        sandbox.idleAction = onIdle
        sandbox.scratch = scratch
        sandbox.network = try network.settings(installation)
        sandbox.mounts =
            try volume.map { try SandboxMount.parse(volume: $0) } + tmpfs.map { try SandboxMount.parse(memory: $0) }
        return sandbox
    }

    /// The absolute path of `--kernel`, if it is given.
    func kernelPath() throws -> String? {
        guard let kernel else { return nil }
        guard let resolved = realpath(kernel, nil) else { throw Failure("--kernel \(kernel): there is no such file") }
        defer { free(resolved) }
        return String(cString: resolved)
    }

    /// Removes the sandbox that is to be replaced.
    func makeRoom(in home: Home) throws {
        guard replace, let name, let old = try? SandboxDirectory.find("\(name)", in: home) else { return }
        try SandboxRemoval.remove(old, force: true, in: home)
    }
}

extension IdleAction: ExpressibleByArgument {}

extension RestartPolicy: ExpressibleByArgument {
    /// Reads an argument of the command line.
    public init?(argument: String) { self.init(argument) }
}

/// The image, and the words after it: what all commands have that take both.
struct ImageAndCommand: ParsableArguments {
    @Argument(parsing: .captureForPassthrough, help: "The image, and the command to run in it.")
    var words: [String] = []

    func validate() throws {
        // All that the parser does not know goes with the command, its own help too.
        if let first = words.first, ["-h", "--help"].contains(first) { throw CleanExit.helpRequest() }
        guard words.first.map({ !$0.hasPrefix("-") }) == true else {
            let option = words.first.map { "'\($0)' is not an option" } ?? "name the image"
            throw ValidationError("\(option); see --help")
        }
    }

    /// The image as the user wrote it.
    var image: String { words[0] }

    /// The command, if there is one.
    var command: [String] {
        let rest = words.dropFirst()
        return Array(rest.first == "--" ? rest.dropFirst() : rest)
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
