import ControlClient
import ImageStore
import OCI
import SandboxState

/// A number of bytes: `ByteSize.mebibytes(512)`, or `ByteSize("2g")`.
public typealias ByteSize = SandboxState.ByteSize

/// Whether an image is fetched from its registry before a sandbox is made from it.
public enum PullPolicy: String, Sendable, CaseIterable {
    /// When it is not in the store.
    case missing
    /// Always, so that the newest is used.
    case always
    /// Never.
    case never
}

extension Sandbox {
    /// What a new sandbox is to be.
    public struct Options: Sendable {
        /// A name, by which ``Sandbox/find(_:on:)`` finds it: 1...63 of `[A-Za-z0-9_.-]`, the first a letter or digit.
        public var name: String?
        /// Names and values of your own.
        public var labels: [String: String]
        /// Virtual CPUs, 1...64.
        public var cpus: Int
        /// Memory, 64 MiB to 1 TiB; rounded up to one of a short ladder of sizes.
        public var memory: ByteSize
        /// Size of the writable disk, 64 MiB to 8 TiB. It takes only what is written to it.
        public var disk: ByteSize
        /// Variables of all processes, over those of the image.
        public var environment: [String: String]
        /// Where processes start, an absolute path; `nil` for what the image says.
        public var workingDirectory: String?
        /// As whom processes run: `USER[:GROUP]`, names or numbers; `nil` for what the image says.
        public var user: String?
        /// After this time the sandbox is stopped, whatever goes on in it; at least 1 ms.
        public var maximumDuration: Duration?
        /// After this time without a process and without a client the sandbox is stopped; at least 1 ms.
        public var idleTimeout: Duration?
        /// Whether it is then paused instead, and goes on when something is wanted of it.
        public var pausesWhenIdle = false
        /// Whether to fail where the machine would have to be emulated.
        public var requireKVM: Bool
        /// Whether it is removed, files and all, when it stops.
        public var removesItself: Bool
        /// Whether the image is fetched.
        public var pull: PullPolicy
        /// Directories and files of the host, volumes and memory that it shows, each at a target of its own.
        public var mounts: [Mount]
        /// What it reaches, and who reaches it.
        public var network: Network

        /// Options, with the usual values for what is not given.
        public init(
            name: String? = nil, labels: [String: String] = [:], cpus: Int = 1, memory: ByteSize = .mebibytes(512),
            disk: ByteSize = .mebibytes(8192), environment: [String: String] = [:], workingDirectory: String? = nil,
            user: String? = nil, maximumDuration: Duration? = nil, idleTimeout: Duration? = nil,
            requireKVM: Bool = false, removesItself: Bool = false, pull: PullPolicy = .missing,
            mounts: [Mount] = [], network: Network = .public
        ) {
            self.name = name
            self.labels = labels
            self.cpus = cpus
            self.memory = memory
            self.disk = disk
            self.environment = environment
            self.workingDirectory = workingDirectory
            self.user = user
            self.maximumDuration = maximumDuration
            self.idleTimeout = idleTimeout
            self.requireKVM = requireKVM
            self.removesItself = removesItself
            self.pull = pull
            self.mounts = mounts
            self.network = network
        }
    }
}

extension Sandbox.Options {
    /// The record of a sandbox of these options.
    /// - Throws: ``SandpiperError``. Blocks.
    func record(_ reference: String, _ image: StoredImage, _ host: ResolvedHost) throws -> SandboxRecord {
        try checkRanges()
        var new = try NewSandbox(reference, image)
        if let name {
            guard let checked = SandboxName(name) else {
                throw SandpiperError.invalidArgument(
                    "'\(name)' is not a name: it takes 1 to 63 of A-Z a-z 0-9 _ . -, the first a letter or digit")
            }
            new.name = checked
        }
        new.labels = labels
        new.limits = SandboxLimits(
            cpus: cpus, memory: memory.roundedUp(to: .mebibytes(2)).bytes,
            disk: disk.roundedUp(to: .mebibytes(1)).bytes,
            maximumDuration: try maximumDuration.map(milliseconds), idleTimeout: try idleTimeout.map(milliseconds))
        new.environment = try pairs(environment)
        new.workingDirectory = workingDirectory
        new.user = user
        if pausesWhenIdle { new.idleAction = .pause }
        new.requireKVM = requireKVM
        new.removesItself = removesItself
        new.mounts = mounts.map(\.mount)
        new.network = try network.settings()
        return try new.record(host.installation)
    }

    private func checkRanges() throws {
        guard (1...64).contains(cpus) else { throw SandpiperError.invalidArgument("\(cpus) CPUs: choose 1 to 64") }
        guard (ByteSize.mebibytes(64)...ByteSize.mebibytes(1 << 20)).contains(memory) else {
            throw SandpiperError.invalidArgument("\(memory) of memory: choose 64m to 1t")
        }
        guard (ByteSize.mebibytes(64)...ByteSize.mebibytes(8 << 20)).contains(disk) else {
            throw SandpiperError.invalidArgument("a disk of \(disk): choose 64m to 8t")
        }
        guard workingDirectory?.hasPrefix("/") != false else {
            throw SandpiperError.invalidArgument("the working directory is not an absolute path")
        }
        try checkText([workingDirectory, user].compactMap(\.self))
    }
}

/// A span of time in whole milliseconds, at least one.
func milliseconds(_ duration: Duration) throws -> Int64 {
    let (seconds, attoseconds) = duration.components
    guard duration > .zero, seconds < 1 << 40 else {
        throw SandpiperError.invalidArgument("\(duration) is not a time that something can take")
    }
    return max(1, seconds * 1000 + attoseconds / 1_000_000_000_000_000)
}

/// `NAME=VALUE` pairs, by name.
func pairs(_ environment: [String: String]) throws -> [String] {
    try environment.sorted { $0.key < $1.key }.map { name, value in
        guard !name.isEmpty, !name.contains("=") else {
            throw SandpiperError.invalidArgument("'\(name)' cannot be the name of an environment variable")
        }
        try checkText([name, value])
        return "\(name)=\(value)"
    }
}

/// Refuses what cannot be a C string.
func checkText(_ texts: [String]) throws {
    guard texts.allSatisfy({ !$0.utf8.contains(0) }) else {
        throw SandpiperError.invalidArgument("a NUL cannot be part of an argument, a variable, a path or a user")
    }
}
