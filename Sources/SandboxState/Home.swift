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
    /// One directory a volume: its files and what it is.
    public var volumes: String { path + "/volumes" }
    /// One directory a private network: what it is, and who is in it.
    public var networks: String { path + "/networks" }
    /// The certificate authority that guests trust, and its key.
    public var authority: String { path + "/ca" }
    /// Held while the set of sandboxes, volumes or networks changes.
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
    case badMount(String)
    case badPort(String, reason: String)
    case badProxy(String, reason: String)
    case badSecret(String, reason: String)
    case noSuchVolume(String)
    case volumeExists(VolumeName)
    case volumeNamed(VolumeName, by: [String])
    case volumeBusy(VolumeName, by: [String], canBeRead: Bool)
    case noSuchNetwork(String)
    case networkExists(NetworkName)
    case networkInUse(NetworkName, by: [String])
    case networkFull(NetworkName)
    case badSubnet(String)

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
        case .badMount(let reason): reason
        case .badProxy(let text, let reason): "the proxy '\(text)' makes no sense: \(reason)"
        case .badSecret("", let reason): "the secrets cannot be used: \(reason)"
        case .badSecret(let name, let reason): "the secret '\(name)' cannot be used: \(reason)"
        case .badPort(let text, let reason): "the port '\(text)' makes no sense: \(reason)"
        case .noSuchVolume(let name): "there is no volume '\(name)'"
        case .volumeExists(let name): "there is a volume '\(name)' already"
        case .volumeNamed(let name, let users):
            "the volume '\(name)' belongs to \(Self.sandboxes(users)); remove \(users.count == 1 ? "it" : "them") first"
        case .volumeBusy(let name, let users, let canBeRead):
            "the volume '\(name)' is in use by \(Self.sandboxes(users)), and whoever writes to a volume has it alone: "
                + (canBeRead ? "mount it with :ro, or stop the others" : "stop the other first")
        case .noSuchNetwork(let name): "there is no network '\(name)'; make it with 'sandpiper network create'"
        case .networkExists(let name): "there is a network '\(name)' already"
        case .networkInUse(let name, let members):
            "the network '\(name)' belongs to \(Self.sandboxes(members)); remove \(members.count == 1 ? "it" : "them") first"
        case .networkFull(let name):
            "the network '\(name)' has no free address; remove sandboxes, or make a larger one with --subnet"
        case .badSubnet(let reason): reason
        case .notInstalled(let what, let looked): "the \(what) is not at \(looked); run 'make build', or reinstall"
        }
    }

    private static func sandboxes(_ names: [String]) -> String {
        switch names.count {
        case 0: "a sandbox that is just ending"
        case 1: "the sandbox \(names[0])"
        default: "the sandboxes \(names.prefix(5).joined(separator: ", "))\(names.count > 5 ? " and others" : "")"
        }
    }
}
