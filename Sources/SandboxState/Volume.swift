import Glibc
import LinuxSystem

/// The name of a volume: 1...63 of `[A-Za-z0-9_.-]`, the first a letter or digit.
public struct VolumeName: Hashable, Sendable, CustomStringConvertible {
    /// The name as text.
    public let description: String

    /// A name; `nil` when the text is not one.
    public init?(_ text: some StringProtocol) {
        let bytes = Array(text.utf8)
        guard let first = bytes.first, bytes.count <= 63, Self.isAlphanumeric(first),
            bytes.allSatisfy({ Self.isAlphanumeric($0) || "_.-".utf8.contains($0) })
        else { return nil }
        description = String(text)
    }

    private static func isAlphanumeric(_ byte: UInt8) -> Bool {
        (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte)
            || (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(byte | 0x20)
    }
}

/// What a volume is; kept as `volume.json` in its directory.
public struct VolumeRecord: Codable, Equatable, Sendable {
    /// The ``VolumeName``.
    public var name: String
    /// When it was made, in seconds since 1970-01-01 00:00 UTC.
    public var created: Int64
    /// The most that its files may take, in bytes; `nil` for no limit but the host's disk.
    public var size: Int64?
    /// The user's own names and values.
    public var labels: [String: String] = [:]
}

/// A directory of files with a name, which sandboxes show one after the other, or read together.
///
/// Many sandboxes may read a volume at a time, or one may write to it and has it alone. That is a lock of flock(2), held by
/// the supervisor of each sandbox as long as its machine may use the volume; so a crash leaves nothing to clear up.
public struct Volume: Sendable {
    /// Its name.
    public let name: VolumeName
    /// Where it is.
    public let home: Home

    /// The volume of this name, whether or not there is one.
    public init(_ name: VolumeName, in home: Home) {
        self.name = name
        self.home = home
    }

    private var path: String { "\(home.volumes)/\(name)" }
    /// The directory that sandboxes see.
    public var data: String { path + "/data" }
    private var recordPath: String { path + "/volume.json" }
    private var lockPath: String { path + "/lock" }

    /// Whether there is such a volume.
    public var exists: Bool { FileTree.exists(path) }

    /// What it is.
    /// - Throws: ``StateError/noSuchVolume(_:)``.
    public var record: VolumeRecord {
        get throws(StateError) {
            guard exists else { throw .noSuchVolume("\(name)") }
            return try RecordFile.read(VolumeRecord.self, from: recordPath)
        }
    }

    /// How much of the host's disk its files take, in bytes.
    public var diskUsage: Int64 { FileTree.diskUsage(data) }

    // MARK: Making and finding

    /// Makes a volume.
    /// - Parameter size: the most that its files may take, in bytes.
    /// - Throws: ``StateError/volumeExists(_:)``; then nothing was made.
    @discardableResult
    public static func create(
        _ name: VolumeName, size: Int64? = nil, labels: [String: String] = [:], in home: Home
    ) throws(StateError) -> Volume {
        let volume = Volume(name, in: home)
        try withStateLock(home) { () throws(StateError) in
            guard !volume.exists else { throw .volumeExists(name) }
            try volume.make(size: size, labels)
        }
        return volume
    }

    /// Makes the volumes of these mounts that are missing. The caller holds the state lock.
    static func makeMissing(_ mounts: [SandboxMount], in home: Home) throws(StateError) {
        for mount in mounts where mount.type == .volume {
            guard let name = mount.source.flatMap({ VolumeName($0) }) else { continue }
            let volume = Volume(name, in: home)
            if !volume.exists { try volume.make(size: nil, [:]) }
        }
    }

    /// All volumes, sorted by name.
    public static func all(in home: Home) throws(StateError) -> [Volume] {
        try system { () throws(SystemError) in try FileTree.names(in: home.volumes) }
            .compactMap { VolumeName($0) }.map { Volume($0, in: home) }
    }

    private func make(size: Int64?, _ labels: [String: String]) throws(StateError) {
        let draft = "\(home.volumes)/.new-\(UInt64.random(in: .min ... .max))"
        let record = VolumeRecord(name: name.description, created: Int64(time(nil)), size: size, labels: labels)
        do throws(StateError) {
            try system { () throws(SystemError) in try FileTree.makeDirectory(home.volumes) }
            Self.clear(home)
            // The volume's own directory keeps other users of the host out, whatever the guest makes of the modes within.
            try system { () throws(SystemError) in
                try FileTree.makeDirectory(draft)
                try FileTree.makeDirectory(draft + "/data", mode: 0o755)
            }
            // The umask does not count for what a sandbox sees.
            guard chmod(draft + "/data", 0o755) == 0 else {
                throw StateError.system(SystemError("set the mode of", draft))
            }
            try RecordFile.write(record, to: draft + "/volume.json", durable: true)
            try system { () throws(SystemError) in
                try FileTree.rename(draft, to: path)
                try FileTree.synchronizeDirectory(of: path)
            }
        } catch {
            try? FileTree.removeTree(draft)
            throw error
        }
    }

    /// Removes what a crash left of a volume that was being made or removed. The caller holds the state lock.
    private static func clear(_ home: Home) {
        for name in (try? FileTree.names(in: home.volumes)) ?? [] where name.hasPrefix(".") {
            try? FileTree.removeTree("\(home.volumes)/\(name)")
        }
    }

    // MARK: Using and removing

    /// Holds the volume for a sandbox that shows it: until the last reference to the lock goes, others may only read it, or
    /// not use it at all.
    /// - Throws: ``StateError/noSuchVolume(_:)``, ``StateError/volumeBusy(_:by:canBeRead:)``.
    public func hold(readOnly: Bool, for sandbox: SandboxID) throws(StateError) -> FileLock {
        guard exists else { throw .noSuchVolume("\(name)") }
        let lock = try system { () throws(SystemError) in
            try FileLock.attempt(lockPath, readOnly ? .shared : .exclusive)
        }
        guard let lock else {
            let others = try users().filter { $0.isRunning && $0.id != sandbox.description }
            throw .volumeBusy(
                name, by: others.map(\.name), canBeRead: !others.isEmpty && others.allSatisfy(\.readOnly))
        }
        return lock
    }

    /// A sandbox that has the volume among its mounts.
    public struct User: Codable, Equatable, Sendable {
        /// Its id.
        public let id: String
        /// Its name, or else its id.
        public let name: String
        /// Whether it only reads.
        public let readOnly: Bool
        /// Whether it has a machine at this moment.
        public let isRunning: Bool
    }

    /// The sandboxes that have the volume among their mounts, at rest or not.
    public func users() throws(StateError) -> [User] { try Self.users(in: home)[name.description] ?? [] }

    /// The sandboxes that have volumes among their mounts, sorted by name, by the volumes' names.
    public static func users(in home: Home) throws(StateError) -> [String: [User]] {
        var users: [String: [User]] = [:]
        for id in try SandboxDirectory.all(in: home) {
            let directory = SandboxDirectory(id, in: home)
            // What vanishes meanwhile belongs to a sandbox that ended; a damaged record names nothing.
            guard let record = try? RecordFile.read(SandboxRecord.self, from: directory.record) else { continue }
            let volumes = record.mounts.filter { $0.type == .volume }
            for (volume, mounts) in Dictionary(grouping: volumes, by: { $0.source ?? "" }) {
                let user = User(
                    id: record.id, name: record.name ?? record.id, readOnly: mounts.allSatisfy(\.readOnly),
                    isRunning: directory.isOwned)
                users[volume, default: []].append(user)
            }
        }
        return users.mapValues { $0.sorted { ($0.name, $0.id) < ($1.name, $1.id) } }
    }

    /// Removes the volume and all its files.
    /// - Throws: ``StateError/volumeNamed(_:by:)`` when a sandbox has it among its mounts, ``StateError/noSuchVolume(_:)``.
    public func remove() throws(StateError) {
        let grave = "\(home.volumes)/.old-\(UInt64.random(in: .min ... .max))"
        try Self.withStateLock(home) { () throws(StateError) in
            guard exists else { throw .noSuchVolume("\(name)") }
            let users = try users()
            guard users.isEmpty else { throw .volumeNamed(name, by: users.map(\.name)) }
            let lock = try system { () throws(SystemError) in try FileLock.attempt(lockPath) }
            guard lock != nil else { throw .volumeBusy(name, by: [], canBeRead: false) }
            try system { () throws(SystemError) in
                try FileTree.rename(path, to: grave)
                try FileTree.synchronizeDirectory(of: path)
            }
            try system { () throws(SystemError) in try FileTree.removeTree(grave) }
        }
    }

    private static func withStateLock(_ home: Home, _ body: () throws(StateError) -> Void) throws(StateError) {
        let lock = try system { () throws(SystemError) -> FileLock in
            try FileTree.makeDirectory(home.path)
            return try FileLock.wait(home.stateLock)
        }
        defer { withExtendedLifetime(lock) {} }
        try body()
    }
}
