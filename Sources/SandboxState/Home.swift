import Glibc
import LinuxSystem

/// The directory that holds everything of one user: `$SANDPIPER_HOME`, or `~/.sandpiper`.
public struct Home: Sendable {
    /// The environment variable that names a home.
    public static let variable = "SANDPIPER_HOME"

    /// Absolute path.
    public let path: String

    /// A home at an absolute path.
    public init(path: String) { self.path = path }

    /// The home that the environment names.
    /// - Throws: ``StateError/noHome`` when neither `SANDPIPER_HOME` nor `HOME` is an absolute path.
    public static func current() throws(StateError) -> Home {
        func path(_ variable: String) throws(StateError) -> String? {
            guard let value = getenv(variable), value.pointee != 0 else { return nil }
            guard value.pointee == CChar(bitPattern: UInt8(ascii: "/")) else { throw .noHome }
            return String(cString: value)
        }
        if let path = try path(variable) { return Home(path: path) }
        if let path = try path("HOME") { return Home(path: path + "/.sandpiper") }
        throw .noHome
    }

    /// What is found once and kept: the formatted upper disk, the answer of the KVM probe.
    public var cache: String { path + "/cache" }
    /// One directory a sandbox: configuration, upper disk, console.
    public var sandboxes: String { path + "/sandboxes" }
    /// One directory a live sandbox: its lock and sockets.
    public var run: String { path + "/run" }
    /// One directory a snapshot.
    public var snapshots: String { path + "/snapshots" }
    /// Held while the set of sandboxes changes.
    var stateLock: String { path + "/lock" }
}

/// What can go wrong with the state on disk.
public enum StateError: Error, CustomStringConvertible {
    case noHome
    case system(SystemError)
    case nameInUse(SandboxName, SandboxID)
    case noSuchSandbox(String)
    case noSuchSnapshot(String)
    case snapshotNameInUse(String, SandboxID)
    case ambiguous(String)
    case isOwned(SandboxID)
    case inaccessible(path: String, reason: String)
    case notInstalled(what: String, looked: String)

    /// One line for a person.
    public var description: String {
        switch self {
        case .noHome: "set SANDPIPER_HOME, or HOME, to the absolute path of a directory you can write to"
        case .system(let error): error.description
        case .nameInUse(let name, let id): "the name '\(name)' is in use by sandbox \(id); choose another"
        case .noSuchSandbox(let text): "there is no sandbox '\(text)'"
        case .noSuchSnapshot(let text): "there is no snapshot '\(text)'; see 'sandpiper snapshot ls'"
        case .snapshotNameInUse(let name, let id): "the name '\(name)' is in use by snapshot \(id); choose another"
        case .ambiguous(let text): "'\(text)' is the start of more than one id; write more of it"
        case .isOwned(let id): "sandbox \(id) is running, or being started or removed"
        case .inaccessible(let path, let reason): "\(path): \(reason)"
        case .notInstalled(let what, let looked): "the \(what) is not at \(looked); run 'make build', or reinstall"
        }
    }
}
