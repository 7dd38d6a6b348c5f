/// What every process of a sandbox starts from.
public struct ProcessDefaults: Codable, Equatable, Sendable {
    /// `NAME=VALUE` pairs.
    public var environment: [String]
    /// Absolute path.
    public var workingDirectory: String
    /// `USER[:GROUP]`; empty is root.
    public var user: String

    /// Makes defaults.
    public init(environment: [String] = [], workingDirectory: String = "/", user: String = "") {
        self.environment = environment
        self.workingDirectory = workingDirectory
        self.user = user
    }
}

/// A process to be started.
public struct JobSpecification: Codable, Equatable, Sendable {
    /// The program and its arguments.
    public var arguments: [String]
    /// `NAME=VALUE` pairs.
    public var environment: [String]
    /// Absolute path; made when it is missing.
    public var workingDirectory: String
    /// `USER[:GROUP]`; empty is root.
    public var user: String
    /// Whether it has a terminal.
    public var terminal: Bool
    /// Whether a client can write to its stdin; else that is empty.
    public var takesInput: Bool
    /// Milliseconds after which it is killed; 0 for never.
    public var timeout: UInt64

    /// Makes a specification.
    public init(
        arguments: [String], environment: [String] = [], workingDirectory: String = "/", user: String = "",
        terminal: Bool = false, takesInput: Bool = false, timeout: UInt64 = 0
    ) {
        self.arguments = arguments
        self.environment = environment
        self.workingDirectory = workingDirectory
        self.user = user
        self.terminal = terminal
        self.takesInput = takesInput
        self.timeout = timeout
    }
}

/// A process of a sandbox that goes on without a client, its output kept in a ``JobLog``; kept as `job.json` beside it.
public struct JobRecord: Codable, Equatable, Sendable {
    /// Its number in the sandbox, from 1.
    public var number: Int
    /// The program and its arguments.
    public var command: [String]
    /// Whether it has a terminal.
    public var terminal: Bool
    /// Whether a client that attaches can write to its stdin.
    public var takesInput: Bool
    /// Process id in the guest, once it runs.
    public var pid: UInt32?
    /// When it was started, in seconds since 1970-01-01 00:00 UTC.
    public var started: Int64
    /// When it ended.
    public var ended: Int64?
    /// The status a shell would report, once it has ended: the exit code, 128 plus the signal, 124 after a time-out,
    /// 126 or 127 when it could not be started.
    public var exitStatus: Int32?
    /// Why it could not be started, or was ended with its machine.
    public var reason: String?

    /// A job that was just asked for.
    public init(number: Int, _ specification: JobSpecification, started: Int64) {
        self.number = number
        command = specification.arguments
        terminal = specification.terminal
        takesInput = specification.takesInput
        self.started = started
    }
}
