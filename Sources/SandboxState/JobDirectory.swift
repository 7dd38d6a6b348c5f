import Glibc
import LinuxSystem

/// The directories of a sandbox's jobs in the background.
public enum JobDirectory {
    /// The record's name in a job's directory.
    public static let recordName = "job.json"
    /// The log's name in a job's directory.
    public static let logName = "log"

    /// All jobs below `jobs`, by number.
    public static func all(_ jobs: String) -> [JobRecord] {
        let numbers = ((try? FileTree.names(in: jobs)) ?? []).compactMap { Int($0) }.sorted()
        return numbers.compactMap { try? RecordFile.read(JobRecord.self, from: "\(jobs)/\($0)/\(recordName)") }
    }

    /// Notes that the jobs which were running are gone with their machine.
    static func settle(_ jobs: String) {
        for var job in all(jobs) where job.ended == nil {
            job.ended = Int64(time(nil))
            job.reason = "its machine ended"
            try? RecordFile.write(job, to: "\(jobs)/\(job.number)/\(recordName)")
        }
    }
}
