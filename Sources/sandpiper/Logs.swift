import ArgumentParser
import Glibc
import LinuxSystem
import SandboxState

/// `sandpiper logs`: what a job in the background printed, or the guest on its console.
struct Logs: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Print what a job of a sandbox wrote, while it runs and afterwards.",
        discussion: """
            Without --job that is the main process, or else the newest job that 'exec -d' started. Its stdout goes to \
            stdout, its stderr to stderr. The newest 4 to 8 MiB of each job are kept. Times are RFC 3339, or a span \
            before now such as 10m.
            """)

    @Option(help: "The number of the job; see 'sandpiper jobs'.") var job: Int?
    @Flag(name: .shortAndLong, help: "Go on printing until the job has ended.") var follow = false
    @Option(help: "Leave out what is older.") var since: TimeBound?
    @Option(help: "Leave out what is newer.") var until: TimeBound?
    @Option(name: [.customShort("n"), .long], help: "Begin with the last so many lines.") var tail: Int?
    @Flag(help: "Only its stdout.") var stdout = false
    @Flag(help: "Only its stderr.") var stderr = false
    @Flag(name: .shortAndLong, help: "Put the time before each line.") var timestamps = false
    @Flag(help: "Print the guest's console and the engine's messages instead.") var console = false
    @Argument(help: "Name or id of the sandbox.") var sandbox: String

    func validate() throws {
        guard tail.map({ $0 >= 0 }) != false else { throw ValidationError("--tail: write a number of lines from 0") }
        let others =
            job != nil || follow || since != nil || until != nil || tail != nil || stdout || stderr || timestamps
        guard !console || !others else { throw ValidationError("--console: no other option goes with it") }
    }

    func run() throws {
        let directory = try SandboxDirectory.find(sandbox, in: try Home.current())
        if console { return try printConsole(directory) }
        let number = try jobNumber(directory)
        var printer = try LogPrinter(timestamps: timestamps)
        var log = try JobLogFollower(number, of: directory)
        var goesOn = try printKept(&log, &printer)
        if log.missed > 0, tail == nil { tellMissed(log.missed) }
        while follow, goesOn, until?.pollTimeout != 0 {
            let missed = log.missed
            guard try wait(for: log) else { return }
            goesOn = try log.drain { if selection.contains($0) { try printer.print($0) } }
            if log.missed > missed { tellMissed(log.missed - missed) }
        }
    }

    private var selection: LogSelection {
        let channels: Set<JobLog.Channel> = stdout == stderr ? [.output, .error] : stdout ? [.output] : [.error]
        return LogSelection(since: since?.nanoseconds ?? 0, until: until?.nanoseconds ?? .max, channels: channels)
    }

    /// Prints what is in the log now, and tells whether more can come.
    private func printKept(_ log: inout JobLogFollower, _ printer: inout LogPrinter) throws -> Bool {
        let selection = selection
        guard let tail else { return try log.drain { if selection.contains($0) { try printer.print($0) } } }
        // No more than the log's two files hold.
        var records: [JobLogReader.Record] = []
        let goesOn = try log.drain { if selection.contains($0) { records.append($0) } }
        for record in LogSelection.tail(tail, of: records) { try printer.print(record) }
        return goesOn
    }

    private func tellMissed(_ count: UInt64) {
        complain("\(count) older pieces of output are not kept any more")
    }

    /// Waits for more; `false` when nobody is left to read it.
    private func wait(for log: JobLogFollower) throws -> Bool {
        var descriptors = log.descriptors.map { pollfd(fd: $0.rawValue, events: Int16(POLLIN), revents: 0) }
        // Asked for nothing, a pipe still tells that its reader has gone.
        descriptors.append(pollfd(fd: 1, events: 0, revents: 0))
        guard poll(&descriptors, nfds_t(descriptors.count), until?.pollTimeout ?? -1) >= 0 || errno == EINTR else {
            throw SystemError("wait for output")
        }
        return descriptors.last?.revents == 0
    }

    private func jobNumber(_ directory: SandboxDirectory) throws -> Int {
        let jobs = JobDirectory.all(directory.jobs)
        if let job {
            guard jobs.contains(where: { $0.number == job }) else {
                throw Failure("sandbox \(sandbox) has no job \(job); 'sandpiper jobs \(sandbox)' lists its jobs")
            }
            return job
        }
        let main = try RecordFile.read(SandboxRecord.self, from: directory.record).main
        guard let usual = LogSelection.usualJob(jobs, main: main) else {
            throw Failure(
                "sandbox \(sandbox) has no job in the background, so there is no output to show; 'exec -d' starts one, "
                    + "--console shows the guest's console")
        }
        return usual.number
    }

    private func printConsole(_ directory: SandboxDirectory) throws {
        let output = try Descriptor(duplicating: 1)
        var filter = TerminalFilter()
        for path in directory.consoleFiles where FileTree.exists(path) {
            let bytes = try FileTree.read(path, limit: 1 << 20)
            // The guest chooses these bytes: on a terminal they must not become commands to it.
            try output.write(output.isTerminal ? filter.filter(bytes) : bytes)
        }
    }
}
