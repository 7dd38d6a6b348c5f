import Glibc
import LinuxSystem

/// The files of one snapshot: published by one rename of its directory, and never changed.
public struct SnapshotDirectory: Sendable {
    /// Its id.
    public let id: SandboxID
    /// Where it is.
    public let home: Home

    /// The files of snapshot `id`, whether or not they are there.
    public init(_ id: SandboxID, in home: Home) {
        self.id = id
        self.home = home
    }

    /// The directory.
    public var path: String { "\(home.snapshots)/\(id)" }
    /// Where it is made, before ``publish(_:durable:)``.
    public var work: String { "\(home.snapshots)/tmp.\(id)" }

    /// Its frozen machine, a directory, when it has memory.
    public var machine: String { "\(path)/\(Self.machineName)" }

    /// The ``SnapshotRecord``'s name in the directory.
    public static let recordName = "snapshot.json"
    /// The frozen machine's, a directory, when it has memory.
    public static let machineName = "machine"
    /// That of the writable disk, or of what lies below its layers: see ``SnapshotDisk``.
    public static let diskName = "upper.img"
    /// That of the jobs, a directory as in ``SandboxDirectory``.
    public static let jobsName = "jobs"

    /// What it says of itself.
    /// - Throws: ``StateError``.
    public func record() throws(StateError) -> SnapshotRecord {
        try RecordFile.read(SnapshotRecord.self, from: path + "/" + Self.recordName)
    }

    /// How much of the host's disk it takes that no other has in common with it, and all together, in bytes.
    public var diskUsage: (own: Int64, all: Int64) { FileTree.exclusiveDiskUsage(path) }

    /// Gives the directory that was made at ``work`` its name. Blocks: of one that is to last, checksums are noted.
    /// - Throws: ``StateError/snapshotNameInUse(_:_:)``.
    public func publish(_ record: SnapshotRecord, durable: Bool) throws(StateError) {
        try RecordFile.write(record, to: work + "/" + Self.recordName, durable: durable)
        if durable {
            let checksums = try system { () throws(SystemError) in try SnapshotChecksums(of: work) }
            try RecordFile.write(checksums, to: work + "/" + SnapshotChecksums.name, durable: true)
        }
        let guardLock = try system { () throws(SystemError) in try FileLock.wait(home.stateLock) }
        defer { withExtendedLifetime(guardLock) {} }
        if let name = record.name, let other = try Self.all(in: home).first(where: { $0.1.name == name }) {
            throw .snapshotNameInUse(name, other.0.id)
        }
        try system { () throws(SystemError) in
            try FileTree.rename(work, to: path)
            if durable { try FileTree.synchronizeDirectory(of: path) }
        }
    }

    /// Removes it. Sandboxes that were made from it keep what they have.
    public func remove() throws(StateError) {
        let guardLock = try system { () throws(SystemError) in try FileLock.wait(home.stateLock) }
        defer { withExtendedLifetime(guardLock) {} }
        try removeGuarded()
    }

    /// Removes it; the caller holds the lock of the state.
    func removeGuarded() throws(StateError) {
        try system { () throws(SystemError) in
            // Whoever is killed from here on leaves what ``sweep(_:)`` finds.
            try FileTree.removeFile(path + "/" + Self.makerName)
            try FileTree.rename(path, to: work)
            try FileTree.removeTree(work)
        }
    }

    /// All snapshots, the oldest first.
    public static func all(in home: Home) throws(StateError) -> [(SnapshotDirectory, SnapshotRecord)] {
        let names = try system { () throws(SystemError) in try FileTree.names(in: home.snapshots) }
        let found = names.compactMap { SandboxID($0) }.compactMap { id -> (SnapshotDirectory, SnapshotRecord)? in
            let directory = SnapshotDirectory(id, in: home)
            return (try? directory.record()).map { (directory, $0) }
        }
        return found.sorted { ($0.1.created, $0.1.id) < ($1.1.created, $1.1.id) }
    }

    /// Finds a snapshot by its name, its id or a unique start of its id.
    /// - Throws: ``StateError/noSuchSnapshot(_:)``.
    public static func find(_ text: String, in home: Home) throws(StateError) -> (SnapshotDirectory, SnapshotRecord) {
        let all = try all(in: home)
        if let found = all.first(where: { $0.1.id == text || $0.1.name == text }) { return found }
        let matches = text.isEmpty ? [] : all.filter { $0.1.id.hasPrefix(text) }
        guard let found = matches.first else { throw .noSuchSnapshot(text) }
        guard matches.count == 1 else { throw .ambiguous(text) }
        return found
    }

    /// Removes what killed makers of snapshots left. A maker holds the lock of its sandbox, by whose name it is known, or
    /// one in the directory.
    static func sweep(_ home: Home) {
        let leftovers = ((try? FileTree.names(in: home.snapshots)) ?? []).filter { $0.hasPrefix("tmp.") }
        guard !leftovers.isEmpty, let guardLock = try? FileLock.wait(home.stateLock) else { return }
        defer { withExtendedLifetime(guardLock) {} }
        sweepGuarded(home)
    }

    /// The same; the caller holds the lock of the state.
    /// - Parameter settled: a sandbox whose owner has died, though it has a new one: the caller.
    static func sweepGuarded(_ home: Home, settled: SandboxID? = nil) {
        for name in ((try? FileTree.names(in: home.snapshots)) ?? []) where name.hasPrefix("tmp.") {
            let path = "\(home.snapshots)/\(name)"
            if isLocked(path) { continue }
            // One that does not name its maker was left when it was begun.
            let maker = (try? FileTree.read(path + "/" + makerName, limit: 64)) ?? []
            let id = SandboxID(String(decoding: maker, as: UTF8.self))
            if id == settled || id.map({ SandboxDirectory($0, in: home).isOwned }) != true {
                try? FileTree.removeTree(path)
            }
        }
    }

    /// Whether a maker without a sandbox holds its lock in the directory.
    private static func isLocked(_ path: String) -> Bool {
        let lock = path + "/" + lockName
        guard FileTree.exists(lock) else { return false }
        do { return try FileLock.attempt(lock) == nil } catch { return true }
    }

    static let makerName = "maker"
    static let lockName = "lock"

    /// Makes the directory at ``work``.
    /// - Parameters:
    ///   - maker: the sandbox of which it is made, whose lock the caller holds.
    ///   - isTemporary: whether it is a ``TemporarySnapshot``.
    /// - Throws: ``StateError/noSuchSnapshot(_:)`` when whoever asked for a temporary one has been killed.
    public func begin(_ maker: SandboxID, isTemporary: Bool) throws(StateError) {
        let guardLock = try system { () throws(SystemError) in try FileLock.wait(home.stateLock) }
        defer { withExtendedLifetime(guardLock) {} }
        guard !isTemporary || TemporarySnapshot.isAnnounced(self) else { throw .noSuchSnapshot("\(id)") }
        try system { () throws(SystemError) in
            try FileTree.makeDirectory(work)
            try FileTree.writeAtomically(Array(maker.description.utf8), to: work + "/" + Self.makerName)
        }
    }

    /// Makes the directory at ``work`` for a maker that has no sandbox.
    /// - Returns: the lock by which it is known to live.
    public func begin() throws(StateError) -> FileLock {
        let guardLock = try system { () throws(SystemError) in
            try FileTree.makeDirectory(home.path)
            return try FileLock.wait(home.stateLock)
        }
        defer { withExtendedLifetime(guardLock) {} }
        return try system { () throws(SystemError) in
            try FileTree.makeDirectory(work)
            return try FileLock.wait(work + "/" + Self.lockName)
        }
    }

    /// Removes what a maker with a lock of its own needed, when the snapshot is published.
    public func removeLock() { try? FileTree.removeFile(path + "/" + Self.lockName) }
}

extension SandboxDirectory {
    /// Makes a new sandbox from a snapshot, at rest, and returns its lock, held.
    /// - Throws: ``StateError``; then nothing was made.
    public static func create(
        _ record: SandboxRecord, from snapshot: SnapshotDirectory, hasMemory: Bool, in home: Home
    ) throws(StateError) -> FileLock {
        let lock = try create(record, in: home)
        guard let id = SandboxID(record.id) else { throw .noSuchSandbox(record.id) }
        let directory = SandboxDirectory(id, in: home)
        do throws(StateError) {
            let temporary = directory.upperDisk + ".new"
            try SnapshotDisk(in: snapshot.path).copy(to: temporary)
            try system { () throws(SystemError) in
                try FileTree.rename(temporary, to: directory.upperDisk)
                guard hasMemory else { return }
                try FileTree.copyTree(snapshot.path + "/" + SnapshotDirectory.jobsName, to: directory.jobs)
                try FileTree.linkTree(
                    snapshot.path + "/" + SnapshotDirectory.machineName, to: directory.frozenWork)
                try FileTree.writeAtomically(
                    [], to: directory.frozenWork + "/" + SandboxDirectory.frozenAsNewName)
                try FileTree.rename(directory.frozenWork, to: directory.frozen)
            }
        } catch {
            directory.remove()
            throw error
        }
        return lock
    }
}
