import Glibc
import LinuxSystem

/// Something that a sandbox shows in its file system: a directory or a file of the host, a volume, or memory.
public struct SandboxMount: Codable, Equatable, Sendable {
    /// What is mounted.
    public enum Kind: String, Codable, Sendable, CaseIterable {
        /// A directory or a single file of the host.
        case host = "bind"
        /// A ``Volume``.
        case volume
        /// A file system in memory, which goes with the machine.
        case memory = "tmpfs"
    }

    /// What is mounted.
    public let type: Kind
    /// The absolute path on the host, or the volume's name; `nil` for memory.
    public let source: String?
    /// Absolute path in the sandbox, without `.`, `..` and a slash at its end.
    public let target: String
    /// Whether writing is refused.
    public let readOnly: Bool
    /// The most that may be written to memory, in bytes; `nil` for the guest's own limit, half of its memory.
    public let size: Int64?
    /// The mode of the root of memory.
    public let mode: UInt16?

    private init(
        _ type: Kind, source: String? = nil, target: String, readOnly: Bool = false, size: Int64? = nil,
        mode: UInt16? = nil
    ) throws(StateError) {
        self.type = type
        self.source = source
        self.target = try Self.checked(target)
        self.readOnly = readOnly
        self.size = size
        self.mode = mode
    }

    /// A directory or a regular file of the host. Blocks.
    /// - Parameters:
    ///   - path: relative ones begin at the working directory; symbolic links in it are followed now and not later.
    ///   - target: an absolute path in the sandbox.
    /// - Throws: ``StateError/badMount(_:)`` when there is no such directory or file.
    public static func host(_ path: String, at target: String, readOnly: Bool = false) throws(StateError)
        -> SandboxMount
    {
        guard !path.isEmpty, !path.utf8.contains(0), let resolved = realpath(path, nil) else {
            let reason =
                errno == ENOENT ? "there is no such directory or file on the host" : String(cString: strerror(errno))
            throw .badMount("cannot mount \(path) at \(target): \(path.isEmpty ? "name a path of the host" : reason)")
        }
        defer { free(resolved) }
        var status = stat()
        guard stat(resolved, &status) == 0, [S_IFDIR, S_IFREG].contains(status.st_mode & S_IFMT) else {
            throw .badMount("cannot mount \(path) at \(target): it is neither a directory nor a regular file")
        }
        guard let absolute = String(validatingCString: resolved) else {
            throw .badMount("cannot mount \(path) at \(target): its path is not UTF-8")
        }
        return try SandboxMount(.host, source: absolute, target: target, readOnly: readOnly)
    }

    /// A volume, which is made when it is missing.
    /// - Throws: ``StateError/badMount(_:)`` when the target cannot be one.
    public static func volume(
        _ name: VolumeName, at target: String, readOnly: Bool = false
    ) throws(StateError) -> SandboxMount {
        try SandboxMount(.volume, source: name.description, target: target, readOnly: readOnly)
    }

    /// A file system in memory.
    /// - Parameters:
    ///   - size: the most that may be written to it, in bytes, at least a page; `nil` for half of the guest's memory.
    ///   - mode: who may use it, `0...0o7777`.
    /// - Throws: ``StateError/badMount(_:)``.
    public static func memory(
        at target: String, size: Int64? = nil, mode: UInt16 = 0o1777, readOnly: Bool = false
    ) throws(StateError) -> SandboxMount {
        guard size.map({ $0 >= 4096 }) != false else {
            throw .badMount("a file system in memory at \(target): choose a size of 4k or more")
        }
        guard mode <= 0o7777 else { throw .badMount("a file system in memory at \(target): choose a mode up to 7777") }
        return try SandboxMount(.memory, target: target, readOnly: readOnly, size: size, mode: mode)
    }

    /// Whether something of the host is served to the guest.
    public var isServed: Bool { type != .memory }

    /// Whether `path` is this mount's target or lies below it.
    public func covers(_ path: String) -> Bool { path == target || path.hasPrefix(target + "/") }

    // MARK: Checks

    /// Checks what only shows when all mounts of a sandbox are seen together.
    /// - Parameter scratch: the sandbox's scratch directories.
    /// - Throws: ``StateError/badMount(_:)``.
    public static func check(_ mounts: [SandboxMount], scratch: [String] = []) throws(StateError) {
        guard mounts.count <= mostMounts else { throw .badMount("more than \(mostMounts) mounts: choose fewer") }
        var targets: Set<String> = []
        for mount in mounts where !targets.insert(mount.target).inserted {
            throw .badMount("two mounts have the same target \(mount.target): choose another for one of them")
        }
        for path in scratch {
            let components = path.split(separator: "/").filter { $0 != "." }
            let path = "/" + components.joined(separator: "/")
            if let mount = mounts.first(where: { $0.covers(path) }) {
                throw .badMount("the scratch directory \(path) would be hidden by the mount at \(mount.target)")
            }
        }
    }

    /// Most mounts of one sandbox.
    public static let mostMounts = 64

    /// What the kernel and the agent need for themselves.
    private static let reserved = ["/proc", "/sys", "/dev"]

    /// The path without what means nothing.
    private static func checked(_ target: String) throws(StateError) -> String {
        guard target.hasPrefix("/") else {
            throw .badMount(
                "the mount target '\(target)' is not absolute: write a path of the sandbox that begins with /")
        }
        let components = target.split(separator: "/").filter { $0 != "." }
        guard !components.contains(".."), !target.utf8.contains(0), target.utf8.count < 4096 else {
            throw .badMount("the mount target '\(target.prefix(200))' holds '..', or is too long: write it out")
        }
        guard !components.isEmpty else { throw .badMount("a mount at / would hide the image: choose another target") }
        let path = "/" + components.joined(separator: "/")
        if let taken = reserved.first(where: { path == $0 || path.hasPrefix($0 + "/") }) {
            throw .badMount("a mount at \(path): \(taken) belongs to the sandbox's kernel; choose another target")
        }
        return path
    }
}
