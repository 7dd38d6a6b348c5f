import NetworkPolicy
import SandboxState

/// What a client asks of a supervisor, beside the frames of its own processes. Answered by one ``ControlReply`` each.
public enum ControlRequest: Codable, Equatable, Sendable {
    /// Starts a process that goes on when the client is gone; answered by ``ControlReply/job(_:)`` when it runs.
    case startJob(JobSpecification)
    /// Sends a signal (1...64) to the process group of a job.
    case signalJob(job: Int, signal: UInt8)
    /// Asks for all jobs; answered by ``ControlReply/jobs(_:)``.
    case jobs
    /// Ends all processes, at first kindly, for so many milliseconds, writes the disk and turns the machine off. Answered
    /// when that is done; the supervisor ends right after.
    case stop(graceMilliseconds: UInt32)
    /// Turns the machine off as if its power had failed.
    case kill
    /// Freezes the sandbox, and ends its machine unless its memory is kept. Answered when that is done.
    case pause(keepsMemory: Bool)
    /// Lets a paused sandbox that still has its supervisor go on.
    case resume
    /// Makes a snapshot, the sandbox going on; answered by ``ControlReply/snapshot(_:)``.
    case snapshot(SnapshotRequest)
    /// Puts another policy in force, also for connections that there are, and when the sandbox is started again.
    case setPolicy(NetworkPolicy)
    /// Publishes ports, now and when the sandbox is started again; answered by ``ControlReply/ports(_:)`` with these.
    case publish([PublishedPort])
    /// Publishes ports no more.
    case withdraw([PublishedPort])
    /// Asks for the published ports; answered by ``ControlReply/ports(_:)``.
    case ports
    /// Asks what the sandbox uses; answered by ``ControlReply/statistics(_:)``.
    case statistics
}

/// What a supervisor answers.
public enum ControlReply: Codable, Equatable, Sendable {
    /// It is done.
    case done
    /// It could not be done: one line.
    case failed(String)
    /// A job.
    case job(JobRecord)
    /// All jobs: those in the background, ended ones too, and those of clients.
    case jobs([JobRecord])
    /// What the sandbox uses.
    case statistics(SandboxStatistics)
    /// Published ports, with the numbers that the host has chosen.
    case ports([PublishedPort])
    /// A snapshot was made.
    case snapshot(SnapshotRecord)
}

/// What a snapshot is to be.
public struct SnapshotRequest: Codable, Equatable, Sendable {
    /// Its id, which nothing has.
    public var id: String
    /// Its name.
    public var name: String?
    /// Whether it is of the disk only.
    public var diskOnly: Bool
    /// Whether it goes when the sandboxes that were made from it have it: it need not outlast a power cut.
    public var isTemporary: Bool

    /// What a snapshot is to be.
    public init(
        id: SandboxID = SandboxID(), name: SandboxName? = nil, diskOnly: Bool = false, isTemporary: Bool = false
    ) {
        self.id = id.description
        self.name = name?.description
        self.diskOnly = diskOnly
        self.isTemporary = isTemporary
    }
}

/// What a sandbox uses at one moment.
public struct SandboxStatistics: Codable, Equatable, Sendable {
    /// Processor time of the engine on the host, in microseconds.
    public var hostProcessorMicroseconds: UInt64
    /// Memory of the engine that is in the host's memory, in bytes; what is shared with other machines counts in part.
    public var hostMemory: UInt64
    /// Disk that the sandbox's files take on the host, in bytes.
    public var hostDisk: UInt64
    /// Processor time of all processes in the guest, in microseconds.
    public var guestProcessorMicroseconds: UInt64
    /// Memory in use in the guest, in bytes.
    public var guestMemory: UInt64
    /// Memory the guest has, in bytes.
    public var guestMemoryTotal: UInt64
    /// Bytes in use on the writable disk's file system.
    public var guestDisk: UInt64
    /// Bytes that file system can hold.
    public var guestDiskTotal: UInt64
    /// Processes and threads of the sandbox.
    public var guestProcesses: UInt64

    /// Makes statistics.
    public init(
        hostProcessorMicroseconds: UInt64 = 0, hostMemory: UInt64 = 0, hostDisk: UInt64 = 0,
        guestProcessorMicroseconds: UInt64 = 0, guestMemory: UInt64 = 0, guestMemoryTotal: UInt64 = 0,
        guestDisk: UInt64 = 0, guestDiskTotal: UInt64 = 0, guestProcesses: UInt64 = 0
    ) {
        self.hostProcessorMicroseconds = hostProcessorMicroseconds
        self.hostMemory = hostMemory
        self.hostDisk = hostDisk
        self.guestProcessorMicroseconds = guestProcessorMicroseconds
        self.guestMemory = guestMemory
        self.guestMemoryTotal = guestMemoryTotal
        self.guestDisk = guestDisk
        self.guestDiskTotal = guestDiskTotal
        self.guestProcesses = guestProcesses
    }
}
