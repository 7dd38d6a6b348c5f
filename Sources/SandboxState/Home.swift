import Glibc
import LinuxSystem

/// The directory that holds everything of one user: `$SANDPIPER_HOME`, or `~/.sandpiper`.
public struct Home: Sendable {
    /// Absolute path.
    public let path: String

    /// A home at an absolute path.
    public init(path: String) { self.path = path }

    /// The home that the environment names.
    /// - Throws: ``StateError/noHome`` when neither `SANDPIPER_HOME` nor `HOME` is set.
    public static func current() throws(StateError) -> Home {
        func variable(_ name: String) -> String? {
            guard let value = getenv(name), value.pointee != 0 else { return nil }
            return String(cString: value)
        }
        if let path = variable("SANDPIPER_HOME") { return Home(path: absolute(path)) }
        if let path = variable("HOME") { return Home(path: absolute(path) + "/.sandpiper") }
        throw .noHome
    }

    private static func absolute(_ path: String) -> String {
        if path.hasPrefix("/") { return path }
        guard let directory = getcwd(nil, 0) else { return path }
        defer { free(directory) }
        return String(cString: directory) + "/" + path
    }

    /// What is found once and kept: the formatted upper disk, the answer of the KVM probe.
    public var cache: String { path + "/cache" }
    /// One directory a sandbox: configuration, upper disk, console.
    public var sandboxes: String { path + "/sandboxes" }
    /// One directory a live sandbox: its lock and sockets.
    public var run: String { path + "/run" }
    /// Held while the set of sandboxes changes.
    var stateLock: String { path + "/lock" }
}

/// What can go wrong with the state on disk.
public enum StateError: Error, CustomStringConvertible {
    case noHome
    case system(SystemError)
    case nameInUse(SandboxName, SandboxID)
    case noSuchSandbox(String)
    case ambiguous(String)
    case inaccessible(path: String, reason: String)
    case notInstalled(what: String, looked: String)

    /// One line for a person.
    public var description: String {
        switch self {
        case .noHome: "neither SANDPIPER_HOME nor HOME is set; set one to a directory you can write to"
        case .system(let error): error.description
        case .nameInUse(let name, let id): "the name '\(name)' is in use by sandbox \(id); choose another"
        case .noSuchSandbox(let text): "there is no sandbox '\(text)'"
        case .ambiguous(let text): "'\(text)' is the start of more than one sandbox's id; write more of it"
        case .inaccessible(let path, let reason): "\(path): \(reason)"
        case .notInstalled(let what, let looked): "the \(what) is not at \(looked); run 'make build', or reinstall"
        }
    }
}
