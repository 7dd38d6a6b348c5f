/// A mount that is made once a machine is configured, when other mounts may already be served from outside.
///
/// It is started like a process, with ``ProcessSpecification/mount(_:)``. `started` says that it is in place. A directory's
/// or a file's stream then carries the kernel's FUSE messages: its output the requests, its input the answers, each as
/// long as its header says. The end of its input cuts the file system off, so that its users get `ENOTCONN`; when it was
/// unmounted, the stream ends like a process with status 0. A file system in memory ends so at once.
public struct GuestMount: Equatable, Sendable {
    /// What is mounted.
    public enum Kind: String, Sendable, CaseIterable {
        /// A directory, served over the stream.
        case directory
        /// A single file, served over the stream.
        case file
        /// A file system in memory: tmpfs.
        case memory
    }

    /// What is mounted.
    public var kind: Kind
    /// Absolute path in the sandbox; made when it is not there.
    public var target: String
    /// Whether writing is refused.
    public var readOnly: Bool
    /// Options as mount(8) takes them, comma-separated; those of FUSE itself are the agent's.
    public var options: String

    /// Makes a mount.
    public init(_ kind: Kind, target: String, readOnly: Bool = false, options: String = "") {
        self.kind = kind
        self.target = target
        self.readOnly = readOnly
        self.options = options
    }

    /// The mount as the arguments of a process.
    public var arguments: [String] { [kind.rawValue, target, readOnly ? "ro" : "rw", options] }

    /// Reads the arguments of a process.
    /// - Returns: `nil` when they are not those of a mount.
    public init?(arguments: [String]) {
        guard arguments.count == 4, let kind = Kind(rawValue: arguments[0]), arguments[1].hasPrefix("/"),
            ["ro", "rw"].contains(arguments[2])
        else { return nil }
        self.init(kind, target: arguments[1], readOnly: arguments[2] == "ro", options: arguments[3])
    }
}
