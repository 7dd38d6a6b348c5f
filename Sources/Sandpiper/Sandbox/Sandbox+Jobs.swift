import Control
import SandboxState

extension Sandbox {
    /// A process in the background: it goes on when its client is gone, and its output is kept.
    public struct Job: Sendable, Equatable {
        /// Its number in the sandbox, from 1.
        public var number: Int
        /// The program and its arguments.
        public var command: [String]
        /// Its process id in the sandbox, once it runs.
        public var pid: UInt32?
        /// When it was started, in seconds since 1970-01-01 00:00 UTC.
        public var started: Int64
        /// When it ended.
        public var ended: Int64?
        /// What a shell would report of its end: the exit code, 128 plus the signal, 124 after a time-out, 126 or 127
        /// when it could not be started; `nil` while it runs, and when it ended with its machine.
        public var exitCode: Int?
        /// Why it could not be started, or was ended with its machine.
        public var reason: String?

        init(_ record: JobRecord) {
            number = record.number
            command = record.command
            pid = record.pid
            started = record.started
            ended = record.ended
            exitCode = record.exitStatus.map { Int($0) }
            reason = record.reason
        }
    }

    /// A piece of a job's output.
    public struct LogEntry: Sendable, Equatable {
        /// When it was written, in nanoseconds since 1970-01-01 00:00 UTC.
        public var time: UInt64
        /// Whether it was written to stderr.
        public var isError: Bool
        /// What was written: 1 to 65,536 bytes.
        public var bytes: [UInt8]
    }

    /// Starts a process in the background.
    ///
    /// It goes on when this program is gone, until it ends or the sandbox stops. Its output is kept within bounds: the
    /// newest 4 to 8 MiB.
    /// - Throws: ``SandpiperError/refused(_:)`` with the reason when it cannot be started.
    public func startJob(
        _ arguments: [String], environment: [String: String] = [:], workingDirectory: String? = nil,
        user: String? = nil, timeout: Duration? = nil
    ) async throws -> Job {
        let specification = try specification(
            arguments, environment, workingDirectory, user, takesInput: false, hasTerminal: false, timeout)
        guard case .job(let record) = try await connection().request(.startJob(specification)) else { throw unexpected }
        return Job(record)
    }

    /// All jobs in the background, by number, ended ones too.
    public func jobs() async throws -> [Job] {
        let records = try await blocking { [directory] in JobDirectory.all(directory.jobs) }
        return records.map(Job.init)
    }

    /// A job in the background; `nil` when there is none of this number.
    public func job(_ number: Int) async throws -> Job? { try await jobs().first { $0.number == number } }

    /// Sends a signal to the process group of a job.
    /// - Parameters:
    ///   - number: Linux's number of the signal, 1...64.
    ///   - job: the job's number.
    /// - Throws: ``SandpiperError/refused(_:)`` when the job is not running.
    public func signal(_ number: Int32, job: Int) async throws {
        guard let number = UInt8(exactly: number), (1...64).contains(number) else {
            throw SandpiperError.invalidArgument("\(number) is not a signal: choose 1 to 64")
        }
        _ = try await connection().request(.signalJob(job: job, signal: number))
    }

    /// What is kept of a job's output, oldest first.
    /// - Throws: ``SandpiperError/system(_:)`` when it cannot be read.
    public func log(ofJob number: Int) async throws -> [LogEntry] {
        try await blocking { [directory] in
            var reader = JobLogReader(path: directory.job(number) + "/" + JobDirectory.logName)
            var entries: [LogEntry] = []
            while let record = try reader.record(), record.channel != .end {
                entries.append(LogEntry(time: record.time, isError: record.channel == .error, bytes: record.bytes))
            }
            return entries
        }
    }
}
