/// What a sandbox was asked to be; kept as `sandbox.json` in its directory.
public struct SandboxRecord: Codable, Equatable, Sendable {
    /// The ``SandboxID``.
    public var id: String
    /// The ``SandboxName``, when it has one.
    public var name: String?
    /// The user's own names and values.
    public var labels: [String: String] = [:]
    /// The image as the user wrote it.
    public var image: String
    /// Digest of the image's manifest.
    public var imageDigest: String
    /// What its machine has, and what it may do.
    public var limits: SandboxLimits
    /// Whether emulation is refused.
    public var requireKVM: Bool
    /// Path of the guest kernel.
    public var kernel: String
    /// Path of the initramfs.
    public var initramfs: String
    /// When it was made, in seconds since 1970-01-01 00:00 UTC.
    public var created: Int64
    /// Where its processes start from: the image's environment, user and directory under what the user said.
    public var defaults: ProcessDefaults
    /// The process that the sandbox is for; it lives as long as this process. `nil`: it lives until it is stopped.
    public var main: JobSpecification?
    /// Whether it goes, files and all, when it stops.
    public var removesItself: Bool
    /// Whether it ends with the client that started it.
    public var endsWithClient: Bool
    /// What becomes of it when it was idle for as long as it may be; `nil` is ``IdleAction/stop``.
    public var idleAction: IdleAction?
    /// When its machine is started again without being asked.
    public var restart: RestartPolicy = .never
    /// Directories that lie outside the overlay, on the writable disk itself.
    public var scratch: [String] = []

    /// What it shows of the host, and in memory.
    public var mounts: [SandboxMount] = []

    /// What its network is to be; `nil`, in records of before there was one, is none.
    public var networkSettings: NetworkSettings?

    /// What its network is to be.
    public var network: NetworkSettings { networkSettings ?? .none }

    /// Makes a record.
    public init(
        id: SandboxID, name: SandboxName? = nil, image: String, imageDigest: String, limits: SandboxLimits,
        requireKVM: Bool = false, kernel: String, initramfs: String, created: Int64,
        defaults: ProcessDefaults = ProcessDefaults(), main: JobSpecification? = nil, removesItself: Bool = false,
        endsWithClient: Bool = false
    ) {
        self.id = id.description
        self.name = name?.description
        self.image = image
        self.imageDigest = imageDigest
        self.limits = limits
        self.requireKVM = requireKVM
        self.kernel = kernel
        self.initramfs = initramfs
        self.created = created
        self.defaults = defaults
        self.main = main
        self.removesItself = removesItself
        self.endsWithClient = endsWithClient
    }
}

/// What the machine of a sandbox has, and how long it may go on.
public struct SandboxLimits: Codable, Equatable, Sendable {
    /// Virtual CPUs, 1...64.
    public var cpus: Int
    /// Memory in bytes, one of the template's sizes.
    public var memory: Int64
    /// Size of the writable disk in bytes.
    public var disk: Int64
    /// Most processes and threads at one time; 0 leaves the kernel's own limit.
    public var processes: UInt32
    /// Longest life of the machine in milliseconds, after which the sandbox is stopped.
    public var maximumDuration: Int64?
    /// How long the sandbox may be idle (no process of a client, no client) before it is stopped, in milliseconds.
    public var idleTimeout: Int64?
    /// Share of the host's processors in percent of one, where the host has a delegated control group: 1...6400.
    public var cpuPercent: Int?
    /// Bytes a second that the machine may read and write on the host's disk, where the host has a delegated control group.
    public var diskRate: Int64?

    /// Makes limits.
    public init(
        cpus: Int = 1, memory: Int64 = 512 << 20, disk: Int64 = 8 << 30, processes: UInt32 = 0,
        maximumDuration: Int64? = nil, idleTimeout: Int64? = nil, cpuPercent: Int? = nil, diskRate: Int64? = nil
    ) {
        self.cpus = cpus
        self.memory = memory
        self.disk = disk
        self.processes = processes
        self.maximumDuration = maximumDuration
        self.idleTimeout = idleTimeout
        self.cpuPercent = cpuPercent
        self.diskRate = diskRate
    }
}

/// What becomes of a sandbox that nobody uses.
public enum IdleAction: String, Codable, Sendable, CaseIterable {
    /// It is stopped.
    case stop
    /// It is paused, and goes on when somebody wants something of it.
    case pause
}

/// When a sandbox whose main process or machine has ended is started again.
public enum RestartPolicy: Codable, Equatable, Sendable, CustomStringConvertible {
    /// Never.
    case never
    /// After a failure, at most so many times in a row.
    case onFailure(most: Int)
    /// Always, until it is told to stop.
    case always

    /// Reads `no`, `on-failure`, `on-failure:N` and `always`; `unless-stopped` is the same as `always`, since nothing
    /// starts sandboxes when the host does.
    public init?(_ text: String) {
        let parts = text.split(separator: ":", omittingEmptySubsequences: false)
        switch (parts.first, parts.count) {
        case ("no", 1), ("never", 1): self = .never
        case ("always", 1), ("unless-stopped", 1): self = .always
        case ("on-failure", 1): self = .onFailure(most: .max)
        case ("on-failure", 2):
            guard let most = Int(parts[1]), most > 0 else { return nil }
            self = .onFailure(most: most)
        default: return nil
        }
    }

    /// The policy as the user writes it.
    public var description: String {
        switch self {
        case .never: "no"
        case .onFailure(let most): most == .max ? "on-failure" : "on-failure:\(most)"
        case .always: "always"
        }
    }
}
