import SandboxState

extension Sandbox {
    /// Something that a sandbox shows in its file system.
    ///
    /// ```swift
    /// let options = try Sandbox.Options(mounts: [
    ///     .host("data", at: "/data", readOnly: true), .volume("cache", at: "/root/.cache"),
    ///     .memory(at: "/scratch", size: .mebibytes(64)),
    /// ])
    /// ```
    ///
    /// What programs in the sandbox write to a directory of the host or to a volume is there at once, and stays. They never
    /// reach anything else of the host: neither a symbolic link nor `..` leads out of it. Files of the user who runs the
    /// sandbox belong to root in it, and the reverse.
    public struct Mount: Sendable, Hashable, CustomStringConvertible {
        /// What is mounted.
        public enum Source: Sendable, Hashable {
            /// A directory or a regular file of the host, by its absolute path.
            case host(String)
            /// A ``Volume``, by its name.
            case volume(String)
            /// Memory of the sandbox, of at most so many bytes; `nil` for half of what it has.
            case memory(ByteSize?)
        }

        /// What is mounted.
        public let source: Source
        /// Where: an absolute path in the sandbox.
        public let target: String
        /// Whether writing is refused.
        public let readOnly: Bool

        let mount: SandboxMount

        init(_ mount: SandboxMount) {
            self.mount = mount
            target = mount.target
            readOnly = mount.readOnly
            source =
                switch mount.type {
                case .host: .host(mount.source ?? "")
                case .volume: .volume(mount.source ?? "")
                case .memory: .memory(mount.size.map { ByteSize(bytes: $0) })
                }
        }

        /// A directory or a regular file of the host. Looks at the file system.
        /// - Parameters:
        ///   - path: relative ones begin at the working directory; symbolic links in it are followed now and not later.
        ///   - target: an absolute path in the sandbox, made when it is missing.
        ///   - readOnly: whether writing is refused.
        /// - Throws: ``SandpiperError/invalidArgument(_:)`` when there is no such directory or file, or the target cannot
        ///   be one.
        public static func host(_ path: String, at target: String, readOnly: Bool = false) throws -> Mount {
            try checked { () throws(StateError) in try .host(path, at: target, readOnly: readOnly) }
        }

        /// A volume; it is made when it is missing.
        /// - Throws: ``SandpiperError/invalidArgument(_:)``.
        public static func volume(_ name: String, at target: String, readOnly: Bool = false) throws -> Mount {
            let name = try Volume.checked(name)
            return try checked { () throws(StateError) in try .volume(name, at: target, readOnly: readOnly) }
        }

        /// Memory of the sandbox, empty at each start, that everybody in it may write to.
        /// - Throws: ``SandpiperError/invalidArgument(_:)``.
        public static func memory(at target: String, size: ByteSize? = nil) throws -> Mount {
            try checked { () throws(StateError) in try .memory(at: target, size: size?.bytes) }
        }

        private static func checked(_ make: () throws(StateError) -> SandboxMount) throws -> Mount {
            do { return Mount(try make()) } catch { throw SandpiperError(error) }
        }

        /// The mount as the command line takes it.
        public var description: String {
            let end = "\(target)\(readOnly ? ":ro" : "")"
            return switch source {
            case .host(let path): "\(path):\(end)"
            case .volume(let name): "\(name):\(end)"
            case .memory(let size): size.map { "\(target):\($0)" } ?? target
            }
        }

        /// Compares all that a mount is.
        public static func == (one: Mount, other: Mount) -> Bool { one.mount == other.mount }

        /// Hashes what tells mounts apart.
        public func hash(into hasher: inout Hasher) {
            hasher.combine(source)
            hasher.combine(target)
            hasher.combine(readOnly)
        }
    }

    /// What it shows of the host, and in memory.
    public var mounts: [Mount] { record.mounts.map { Mount($0) } }
}
