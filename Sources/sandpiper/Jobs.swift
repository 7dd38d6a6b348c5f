import ArgumentParser
import Control
import ControlClient
import ForeignText
import Glibc
import LinuxSystem
import SandboxState
import TextLayout

/// `sandpiper jobs`: the processes of a sandbox that go on without a client.
struct Jobs: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "List the jobs of a sandbox: its main process and what 'exec -d' started.",
        discussion: "Those that have ended stay in the list, with their exit status, and so does their output.")

    @Flag(help: "Print JSON.") var json = false
    @Argument(help: "Name or id of the sandbox.") var sandbox: String

    func run() throws {
        signal(SIGPIPE, SIG_IGN)
        let jobs = try Self.jobs(of: SandboxDirectory.find(sandbox, in: try Home.current()))
        if json { return try Descriptor(duplicating: 1).write(RecordFile.encode(jobs)) }
        let now = Int64(time(nil))
        var table = Table("JOB", "STATUS", "PID", "COMMAND")
        for job in jobs {
            table.add(
                "\(job.number)", job.summary(now: now), job.ended == nil ? job.pid.map { "\($0)" } ?? "-" : "-",
                job.command.joined(separator: " ").excerpt(80))
        }
        print(table)
    }

    /// All jobs of a sandbox, by number: as its supervisor tells, or else as they are on disk.
    static func jobs(of directory: SandboxDirectory) throws -> [JobRecord] {
        do {
            guard case .jobs(let jobs) = try ControlConnection(to: directory).request(.jobs) else {
                throw ControlError.hungUp
            }
            return jobs.sorted { $0.number < $1.number }
        } catch ControlError.notRunning, ControlError.hungUp {
            return JobDirectory.all(directory.jobs)
        }
    }
}

extension JobRecord {
    /// How far the job is, for a table: `running 3 minutes`, `ended (0) 2 hours ago`, `ended: its machine ended`.
    /// - Parameter now: seconds since 1970.
    func summary(now: Int64) -> String {
        guard let ended else { return "running " + humanDuration(now &- started) }
        let age = humanDuration(now &- ended) + " ago"
        if let reason { return "ended\(exitStatus.map { " (\($0))" } ?? "") \(age): \(reason.excerpt(60))" }
        return "ended (\(exitStatus.map { "\($0)" } ?? "?")) \(age)"
    }
}
