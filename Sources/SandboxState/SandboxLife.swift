/// How far a sandbox has come; kept as `life.json` in its directory by whoever owns it.
public struct SandboxLife: Codable, Equatable, Sendable {
    /// The stations of a life.
    public enum Status: String, Codable, Sendable, CaseIterable {
        /// It has files and never had a machine.
        case created
        /// Its machine is coming up.
        case starting
        /// Processes can be started.
        case running
        /// Its processes are being ended and its disk written.
        case stopping
        /// Its machine is frozen, or its processors stand; it goes on where it was.
        case paused
        /// It was told to stop, or its main process ended; it can be started again.
        case stopped
        /// Its machine or its supervisor ended unasked.
        case crashed
    }

    /// Where it is.
    public var status: Status
    /// Why, when it did not come there by being told to.
    public var reason: String?
    /// When its machine was ready, in seconds since 1970-01-01 00:00 UTC.
    public var started: Int64?
    /// When its machine ended.
    public var ended: Int64?
    /// The status of the main process, as a shell would report it.
    public var exitStatus: Int32?
    /// How often it was started again by its ``RestartPolicy``.
    public var restarts: Int
    /// Whether it is ``Status/paused`` and goes on by itself when somebody wants something of it.
    public var resumesOnRequest: Bool?
    /// The supervisor's process id on the host, while there is one.
    public var supervisor: Int32?

    /// A life.
    public init(
        _ status: Status, reason: String? = nil, started: Int64? = nil, ended: Int64? = nil, exitStatus: Int32? = nil,
        restarts: Int = 0, supervisor: Int32? = nil
    ) {
        self.status = status
        self.reason = reason
        self.started = started
        self.ended = ended
        self.exitStatus = exitStatus
        self.restarts = restarts
        self.supervisor = supervisor
    }

    /// Whether a supervisor owns it.
    public var isOwned: Bool { [.starting, .running, .stopping].contains(status) }

    /// This life with its machine frozen.
    public func paused(resumesOnRequest: Bool = false) -> SandboxLife {
        var life = self
        life.status = .paused
        life.resumesOnRequest = resumesOnRequest
        life.supervisor = nil
        return life
    }

    /// What there is to say of a sandbox that came to be, and whose life's record did not outlast the host.
    static var lost: SandboxLife {
        SandboxLife(.crashed, reason: "the host went down, and what was known of its life is lost")
    }

    /// What becomes of it when its owner is found gone.
    func orphaned(now: Int64) -> SandboxLife {
        guard isOwned || status == .paused else { return self }
        var life = self
        life.status = .crashed
        life.reason = "its supervisor was killed, or the host went down"
        life.ended = now
        life.supervisor = nil
        return life
    }
}
