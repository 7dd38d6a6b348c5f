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
