import FrozenMachine
import OCI
import SandboxState

/// What an archive says of the snapshot in it, before the content of its files.
struct ArchiveManifest: Codable, Equatable, Sendable {
    /// The snapshot and its sandbox, without what only means something on the host where it was made.
    var snapshot: SnapshotRecord
    /// Names of the image, for messages only.
    var imageNames: [String]
    /// The digest of the image's disk, which the machine has mounted: of its first part and of the lengths of all.
    var imageDisk: Digest
    /// The frozen machine; `nil` of a snapshot of the disk only.
    var machine: PortableMachine?
    /// The files, in the order in which they follow: `session`, `state` and `memory` of a machine, `disk`, and the jobs',
    /// by their numbers.
    var files: [ArchiveFile]

    static let session = "session"
    static let state = "state"
    static let memory = "memory"
    static let disk = "disk"
}

/// A file of a job: `jobs/3/log`.
struct ArchivedJobFile: Equatable {
    /// The job's number.
    let number: Int
    /// The file's name in the job's directory.
    let name: String

    /// The names that there are, and the most bytes of each file.
    static let kinds: [(name: String, most: Int64)] = [
        (JobDirectory.recordName, 1 << 20), (JobDirectory.logName, logLimit), (JobDirectory.logName + ".1", logLimit),
    ]
    private static let logLimit = Int64(JobLog.limit) + 1 << 20
    /// The highest number of a job.
    static let mostJobs = 1_000_000

    /// The file of this name in an archive; `nil` when it is none of a job.
    init?(_ text: String) {
        let parts = text.split(separator: "/", omittingEmptySubsequences: false)
        guard parts.count == 3, parts[0] == SnapshotDirectory.jobsName, let number = Int(parts[1]),
            "\(number)" == parts[1], (1...Self.mostJobs).contains(number),
            Self.kinds.contains(where: { $0.name == parts[2] })
        else { return nil }
        self.number = number
        name = String(parts[2])
    }

    init(number: Int, name: String) {
        self.number = number
        self.name = name
    }

    /// Its name in an archive.
    var archiveName: String { "\(SnapshotDirectory.jobsName)/\(number)/\(name)" }
    /// Most bytes.
    var most: Int64 { Self.kinds.first { $0.name == name }?.most ?? 0 }
    /// Where it comes in the order of all.
    var place: (Int, Int) { (number, Self.kinds.firstIndex { $0.name == name } ?? 0) }
}
