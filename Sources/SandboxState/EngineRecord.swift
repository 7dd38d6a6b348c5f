/// The engine under a running sandbox; kept as `engine.json` in its directory by the supervisor.
public struct EngineRecord: Codable, Equatable, Sendable {
    /// The kind of engine, for example `portable`.
    public var engine: String
    /// `kvm` or `emulated`.
    public var accelerator: String
    /// Why the machine is emulated; `nil` on KVM.
    public var reason: String?
    /// Path of the engine's executable.
    public var binary: String
    /// Process id on the host.
    public var pid: Int32
    /// The walls that stand round the engine process.
    public var walls: [String]
    /// Those that this host does not offer, each with the reason.
    public var missingWalls: [String]
    /// Limits on the host's processors and disk that were asked for and do not hold, each with the reason.
    public var missingLimits: [String] = []
    /// Memory that the machine has, in bytes: what was asked for, rounded up to a size that templates come in.
    public var memory: Int64 = 0
    /// The template that the machine is a fork of.
    public var template: String?

    /// Makes a record.
    public init(
        engine: String, accelerator: String, reason: String?, binary: String, pid: Int32, walls: [String],
        missingWalls: [String]
    ) {
        self.engine = engine
        self.accelerator = accelerator
        self.reason = reason
        self.binary = binary
        self.pid = pid
        self.walls = walls
        self.missingWalls = missingWalls
    }
}
