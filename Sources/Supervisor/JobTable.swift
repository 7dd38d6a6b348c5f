import AgentProtocol
import Control
import ForeignText
import Glibc
import LinuxSystem
import SandboxState

/// The jobs in the background of one life of a machine, with their logs.
struct JobTable {
    /// Most ended jobs whose record and log are kept.
    private static let mostEnded = 256

    private struct Job {
        var record: JobRecord
        var log: JobLog?
    }

    private let directory: SandboxDirectory
    private var jobs: [Int: Job] = [:]
    private var last = 0

    /// A table without jobs; numbers go on where an earlier life of the sandbox ended.
    init(_ directory: SandboxDirectory) {
        self.directory = directory
        last = JobDirectory.all(directory.jobs).last?.number ?? 0
    }

    /// Goes on with the jobs that were running when the machine was frozen.
    mutating func goOn() throws {
        for record in JobDirectory.all(directory.jobs) where record.ended == nil {
            let log = try JobLog(continuing: directory.job(record.number) + "/" + JobDirectory.logName)
            jobs[record.number] = Job(record: record, log: log)
        }
    }

    /// All jobs: those of earlier lives come from their records.
    var records: [JobRecord] {
        JobDirectory.all(directory.jobs).filter { jobs[$0.number] == nil }
            + jobs.values.map(\.record)
            .sorted { $0.number < $1.number }
    }

    /// Makes the record and log of a job in the background.
    /// - Returns: its number.
    mutating func addBackground(_ specification: JobSpecification) throws -> Int {
        let number = last + 1
        let path = directory.job(number)
        do {
            try FileTree.makeDirectory(path)
            let record = JobRecord(number: number, specification, started: now)
            let log = try JobLog(path: path + "/" + JobDirectory.logName)
            try RecordFile.write(record, to: path + "/" + JobDirectory.recordName)
            jobs[number] = Job(record: record, log: log)
        } catch {
            try? FileTree.removeTree(path)
            throw error
        }
        last = number
        dropOldest()
        return number
    }

    /// The record of a job.
    func record(_ number: Int) -> JobRecord? { jobs[number]?.record }

    /// Notes that a job runs.
    mutating func started(_ number: Int, pid: UInt32) {
        jobs[number]?.record.pid = pid
        write(number)
    }

    /// Keeps a job's output. What a full disk does not take is lost.
    mutating func output(_ number: Int, _ channel: JobLog.Channel, _ bytes: [UInt8]) {
        try? jobs[number]?.log?.append(channel, bytes)
    }

    /// Notes the end of a job.
    mutating func ended(_ number: Int, status: Int32?, reason: String? = nil) {
        guard var job = jobs[number], job.record.ended == nil else { return }
        job.record.ended = now
        job.record.exitStatus = status
        job.record.reason = reason?.printable
        try? job.log?.append(.end, Array((status.map { "\($0)" } ?? "").utf8))
        job.log = nil
        jobs[number] = job
        write(number)
    }

    /// Notes that all jobs are gone with their machine.
    mutating func machineEnded() {
        for number in jobs.keys { ended(number, status: nil, reason: "its machine ended") }
    }

    private func write(_ number: Int) {
        guard let job = jobs[number] else { return }
        try? RecordFile.write(job.record, to: directory.job(number) + "/" + JobDirectory.recordName)
    }

    private mutating func dropOldest() {
        let ended = records.filter { $0.ended != nil }
        for record in ended.dropLast(Self.mostEnded) {
            jobs[record.number] = nil
            try? FileTree.removeTree(directory.job(record.number))
        }
    }

    private var now: Int64 { Int64(time(nil)) }
}
