import ArgumentParser
import Control
import ControlClient
import Glibc
import LinuxSystem
import SandboxState

/// Does the same to each of several sandboxes: all are tried, whatever becomes of the others.
func forEach(_ names: [String], in home: Home, _ body: (SandboxDirectory) throws -> Void) throws {
    var failed = false
    for name in names {
        do { try body(SandboxDirectory.find(name, in: home)) } catch let error as any FailureMessage {
            complain(error.description)
            failed = true
        }
    }
    if failed { throw ExitStatusError(code: names.count == 1 ? 125 : 1) }
}

/// `sandpiper start`: wakes sandboxes that are at rest.
struct Start: ParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Start stopped sandboxes; their files are as they were.")

    @Argument(help: "Names or ids of sandboxes.") var sandboxes: [String]

    func run() throws {
        let signals = try SignalDescriptor([SIGINT, SIGQUIT, SIGTERM, SIGHUP])
        signal(SIGPIPE, SIG_IGN)
        let home = try Home.current()
        let installation = try Installation()
        try forEach(sandboxes, in: home) { directory in
            try Self.start(directory, installation, signals)
            print(directory.id)
        }
    }

    /// Starts a sandbox and waits until it is ready.
    static func start(_ directory: SandboxDirectory, _ installation: Installation, _ signals: SignalDescriptor) throws {
        let supervisor = try SupervisorProcess(starting: directory, installation)
        try ReadyWait(supervisor, signals).run { if case .notice(let line) = $0 { complain(line) } }
    }
}

/// How long processes get to end.
struct GraceOption: ParsableArguments {
    @Option(name: .shortAndLong, help: "How long processes may take to end before they are killed, for example 5s.")
    var time: TimeSpan?
    @Flag(help: "Kill them at once; files are still written.") var now = false

    var milliseconds: UInt32 { now ? 0 : time.map { UInt32(clamping: $0.milliseconds) } ?? 10_000 }
}

/// `sandpiper stop`: ends sandboxes in good order.
struct Stop: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Stop sandboxes: end their processes, write their files, turn their machines off.")

    @OptionGroup var grace: GraceOption
    @Argument(help: "Names or ids of sandboxes.") var sandboxes: [String]

    func run() throws {
        signal(SIGPIPE, SIG_IGN)
        let home = try Home.current()
        try forEach(sandboxes, in: home) { directory in
            try SandboxRemoval.end(directory, .stop(graceMilliseconds: grace.milliseconds))
            print(directory.id)
        }
    }
}

/// `sandpiper restart`: stops and starts sandboxes.
struct Restart: ParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Stop sandboxes and start them again.")

    @OptionGroup var grace: GraceOption
    @Argument(help: "Names or ids of sandboxes.") var sandboxes: [String]

    func run() throws {
        let signals = try SignalDescriptor([SIGINT, SIGQUIT, SIGTERM, SIGHUP])
        signal(SIGPIPE, SIG_IGN)
        let home = try Home.current()
        let installation = try Installation()
        try forEach(sandboxes, in: home) { directory in
            if directory.isOwned {
                try SandboxRemoval.end(directory, .stop(graceMilliseconds: grace.milliseconds))
            }
            try Start.start(directory, installation, signals)
            print(directory.id)
        }
    }
}

/// `sandpiper kill`: turns machines off at once, or sends a signal to a job.
struct Kill: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Turn sandboxes off as if their power had failed, or send a signal to a job.")

    @Option(name: .shortAndLong, help: "Send this signal instead, by name or number, to --job or the main process.")
    var signal: SignalName?
    @Option(help: "The number of a job.") var job: Int?
    @Argument(help: "Names or ids of sandboxes.") var sandboxes: [String]

    func validate() throws {
        guard job == nil || sandboxes.count == 1 else { throw ValidationError("--job: name one sandbox") }
    }

    func run() throws {
        Glibc.signal(SIGPIPE, SIG_IGN)
        let home = try Home.current()
        try forEach(sandboxes, in: home) { directory in
            if signal == nil, job == nil { try turnOff(directory) } else { try send(to: directory) }
            print(directory.id)
        }
    }

    private func turnOff(_ directory: SandboxDirectory) throws {
        guard directory.isOwned else { throw ControlError.notRunning("\(directory.id)", directory.currentLife()) }
        try SandboxRemoval.end(directory, .kill)
    }

    private func send(to directory: SandboxDirectory) throws {
        let connection = try ControlConnection(to: directory)
        let number = try job ?? mainJob(directory, connection)
        _ = try connection.request(.signalJob(job: number, signal: signal?.number ?? UInt8(SIGKILL)))
    }

    private func mainJob(_ directory: SandboxDirectory, _ connection: ControlConnection) throws -> Int {
        let main = try RecordFile.read(SandboxRecord.self, from: directory.record).main
        guard case .jobs(let jobs) = try connection.request(.jobs),
            let job = jobs.last(where: { $0.command == main?.arguments && $0.ended == nil })
        else { throw Failure("sandbox \(directory.id) has no main process; name a --job") }
        return job.number
    }
}

/// A signal as users write it: `TERM`, `SIGTERM` or `15`.
struct SignalName: ExpressibleByArgument {
    let number: UInt8

    init?(argument: String) {
        let names = [
            "HUP": SIGHUP, "INT": SIGINT, "QUIT": SIGQUIT, "ILL": SIGILL, "TRAP": SIGTRAP, "ABRT": SIGABRT,
            "BUS": SIGBUS, "FPE": SIGFPE, "KILL": SIGKILL, "USR1": SIGUSR1, "SEGV": SIGSEGV, "USR2": SIGUSR2,
            "PIPE": SIGPIPE, "ALRM": SIGALRM, "TERM": SIGTERM, "CHLD": SIGCHLD, "CONT": SIGCONT, "STOP": SIGSTOP,
            "TSTP": SIGTSTP, "TTIN": SIGTTIN, "TTOU": SIGTTOU, "URG": SIGURG, "XCPU": SIGXCPU, "XFSZ": SIGXFSZ,
            "VTALRM": SIGVTALRM, "PROF": SIGPROF, "WINCH": SIGWINCH, "IO": SIGIO, "PWR": SIGPWR, "SYS": SIGSYS,
        ]
        let upper = argument.uppercased()
        let name = upper.hasPrefix("SIG") ? String(upper.dropFirst(3)) : upper
        guard let value = names[name].map({ UInt8($0) }) ?? UInt8(argument), (1...64).contains(value) else {
            return nil
        }
        number = value
    }
}

/// `sandpiper rm`: removes sandboxes.
struct Remove: ParsableCommand {
    static let configuration = CommandConfiguration(commandName: "rm", abstract: "Remove sandboxes and their files.")

    @Flag(name: .shortAndLong, help: "Kill running ones, and do not mind missing ones.") var force = false
    @Argument(help: "Names or ids of sandboxes.") var sandboxes: [String]

    func run() throws {
        signal(SIGPIPE, SIG_IGN)
        let home = try Home.current()
        let names = force ? sandboxes.filter { (try? SandboxDirectory.find($0, in: home)) != nil } : sandboxes
        try forEach(names, in: home) { directory in
            try SandboxRemoval.remove(directory, force: force, in: home)
            print(directory.id)
        }
    }
}
