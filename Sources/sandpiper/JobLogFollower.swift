import ControlClient
import Glibc
import LinuxSystem
import SandboxState

/// Follows the log of a job in the background while it is written, without being a client of the sandbox.
///
/// Its descriptors are polled beside whatever else its owner waits for; when one is readable, ``drain(_:)`` hands over
/// what has come.
struct JobLogFollower {
    private let changes: InotifyDescriptor
    private let supervisor: Descriptor?
    private let recordPath: String
    private var reader: JobLogReader

    /// Follows job `number`, from its oldest record that is kept.
    /// - Throws: `SystemError`, `ENOENT` when there is no such job.
    init(_ number: Int, of directory: SandboxDirectory) throws(SystemError) {
        let job = directory.job(number)
        changes = try InotifyDescriptor()
        try changes.watch(job, [.content, .names, .removal])
        supervisor = SandboxWatch(directory)?.supervisor
        recordPath = "\(job)/\(JobDirectory.recordName)"
        reader = JobLogReader(path: "\(job)/\(JobDirectory.logName)")
    }

    /// To be polled for reading: the log's changes, and the end of the supervisor, which writes it.
    var descriptors: [Descriptor] { [changes.descriptor] + (supervisor.map { [$0] } ?? []) }

    /// How many records were dropped before they were read.
    var missed: UInt64 { reader.missed }

    /// Hands over what has come since the last time.
    /// - Returns: whether more can come.
    /// - Throws: `SystemError` when the log cannot be read, and whatever `body` throws.
    mutating func drain(_ body: (JobLogReader.Record) throws -> Void) throws -> Bool {
        // In this order: what is written before the signs of the end are seen is read after.
        let isOver = !hasWriter || jobHasEnded
        changes.clear()
        var isAtEnd = isOver
        while let record = try reader.record() {
            try body(record)
            if record.channel == .end { isAtEnd = true }
        }
        return !isAtEnd
    }

    /// Whether somebody is there who could still write.
    private var hasWriter: Bool {
        guard let supervisor else { return false }
        var ended = pollfd(fd: supervisor.rawValue, events: Int16(POLLIN), revents: 0)
        return poll(&ended, 1, 0) == 0
    }

    /// What a full disk kept out of the log is still in the record. One that is gone was removed with its sandbox.
    private var jobHasEnded: Bool {
        guard let record = try? RecordFile.read(JobRecord.self, from: recordPath) else {
            return !FileTree.exists(recordPath)
        }
        return record.ended != nil
    }
}
