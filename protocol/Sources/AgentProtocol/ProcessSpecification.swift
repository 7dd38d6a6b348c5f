/// Size of a terminal in character cells.
public struct TerminalSize: Equatable, Sendable {
    /// Height.
    public var rows: UInt16
    /// Width.
    public var columns: UInt16

    /// Makes a size.
    public init(rows: UInt16, columns: UInt16) {
        self.rows = rows
        self.columns = columns
    }
}

/// A process to start in the sandbox.
public struct ProcessSpecification: Equatable, Sendable {
    /// Program and arguments; the program is looked up in `PATH` unless it holds a `/`. Empty only with ``builtin``.
    public var arguments: [String]
    /// `NAME=VALUE` pairs over the machine's own environment.
    public var environment: [String]
    /// Absolute path; empty means `/`.
    public var workingDirectory: String
    /// Whether a missing working directory is made (as `docker run` does) instead of refused (as `docker exec` does).
    public var makesWorkingDirectory: Bool
    /// `""` (root), `user`, `uid`, `user:group` or any mix of names and numbers, looked up in the image's own files.
    public var user: String
    /// A terminal of this size becomes stdin, stdout and stderr; `nil` gives pipes.
    public var terminal: TerminalSize?
    /// Whether stdin comes from the host; otherwise it is `/dev/null`.
    public var takesInput: Bool
    /// Resource limits of the process.
    public var resourceLimits: [ResourceLimit]
    /// The process and all that it started are killed after so many milliseconds; 0 means never.
    public var timeout: UInt64
    /// What the process does instead of running a program, on pipes; `nil` runs the program.
    public var builtin: Builtin?

    /// What the agent can do in a process of its own, without a program of the image.
    public enum Builtin: UInt8, Sendable, CaseIterable {
        /// Serves the sandbox's files on stdin and stdout, in the language of the module `FileProtocol`.
        case files = 1
        /// No process at all: mounts what the arguments say, a ``GuestMount``, and serves it with the stream's bytes.
        case mount = 2
    }

    /// One limit as in setrlimit(2).
    public struct ResourceLimit: Equatable, Sendable {
        /// Linux's number of the resource, 0...15.
        public var resource: UInt8
        /// Soft limit; `UInt64.max` means unlimited.
        public var soft: UInt64
        /// Hard limit; `UInt64.max` means unlimited.
        public var hard: UInt64

        /// Makes a limit.
        public init(resource: UInt8, soft: UInt64, hard: UInt64) {
            self.resource = resource
            self.soft = soft
            self.hard = hard
        }
    }

    /// Makes a specification.
    public init(
        arguments: [String], environment: [String] = [], workingDirectory: String = "",
        makesWorkingDirectory: Bool = false, user: String = "", terminal: TerminalSize? = nil,
        takesInput: Bool = false, resourceLimits: [ResourceLimit] = [], timeout: UInt64 = 0,
        builtin: Builtin? = nil
    ) {
        self.arguments = arguments
        self.environment = environment
        self.workingDirectory = workingDirectory
        self.makesWorkingDirectory = makesWorkingDirectory
        self.user = user
        self.terminal = terminal
        self.takesInput = takesInput
        self.resourceLimits = resourceLimits
        self.timeout = timeout
        self.builtin = builtin
    }

    /// A process that serves the sandbox's files as a user of the image, named as in ``user``.
    public static func files(user: String = "") -> ProcessSpecification {
        ProcessSpecification(arguments: [], user: user, takesInput: true, builtin: .files)
    }

    /// A mount whose file system the stream's other end serves.
    public static func mount(_ mount: GuestMount) -> ProcessSpecification {
        ProcessSpecification(arguments: mount.arguments, takesInput: true, builtin: .mount)
    }

    init(decoding payload: [UInt8]) throws(ProtocolError) {
        var reader = ByteReader(payload)
        arguments = try reader.list { reader throws(ProtocolError) in try reader.string() }
        environment = try reader.list { reader throws(ProtocolError) in try reader.string() }
        workingDirectory = try reader.string()
        makesWorkingDirectory = try reader.boolean()
        user = try reader.string()
        terminal =
            try reader.boolean()
            ? TerminalSize(rows: try reader.unsigned16(), columns: try reader.unsigned16()) : nil
        takesInput = try reader.boolean()
        resourceLimits = try reader.list { reader throws(ProtocolError) in
            let limit = ResourceLimit(
                resource: try reader.unsigned8(), soft: try reader.unsigned64(), hard: try reader.unsigned64())
            guard limit.resource < 16 else { throw .badField("resource") }
            return limit
        }
        timeout = try reader.unsigned64()
        switch try reader.unsigned8() {
        case 0:
            builtin = nil
            guard !arguments.isEmpty else { throw .badField("arguments") }
        case let number:
            builtin = Builtin(rawValue: number)
            guard builtin != nil, terminal == nil else { throw .badField("builtin") }
        }
        try reader.finish()
    }

    func encode(into writer: inout ByteWriter) {
        writer.list(arguments) { writer, argument in writer.string(argument) }
        writer.list(environment) { writer, variable in writer.string(variable) }
        writer.string(workingDirectory)
        writer.boolean(makesWorkingDirectory)
        writer.string(user)
        writer.boolean(terminal != nil)
        if let terminal {
            writer.unsigned16(terminal.rows)
            writer.unsigned16(terminal.columns)
        }
        writer.boolean(takesInput)
        writer.list(resourceLimits) { writer, limit in
            writer.unsigned8(limit.resource)
            writer.unsigned64(limit.soft)
            writer.unsigned64(limit.hard)
        }
        writer.unsigned64(timeout)
        writer.unsigned8(builtin?.rawValue ?? 0)
    }
}
