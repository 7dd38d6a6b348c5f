import LinuxSystem

/// A snapshot that its maker uses once and removes. When its maker is killed before, the next command removes it.
///
/// A file beside the snapshot stands for its maker, who holds the file's lock as long as it lives. Without that file none is
/// begun: a maker that was killed may have asked for it.
public struct TemporarySnapshot: Sendable {
    /// Its files, from when the supervisor has made it.
    public let directory: SnapshotDirectory
    private let use: FileLock

    private static let prefix = "use."
    private static func marker(_ id: SandboxID, _ home: Home) -> String { "\(home.snapshots)/\(prefix)\(id)" }

    /// Announces that this process will have a snapshot made, and remove it.
    /// - Throws: ``StateError``; then nothing was made.
    public init(in home: Home) throws(StateError) {
        let id = SandboxID()
        directory = SnapshotDirectory(id, in: home)
        let guardLock = try system { () throws(SystemError) in try FileLock.wait(home.stateLock) }
        defer { withExtendedLifetime(guardLock) {} }
        use = try system { () throws(SystemError) in
            try FileTree.makeDirectory(home.snapshots)
            return try FileLock.wait(Self.marker(id, home))
        }
    }

    /// Removes it, made or not.
    /// - Throws: ``StateError``.
    public func remove() throws(StateError) {
        if FileTree.exists(directory.path) { try directory.remove() }
        try system { () throws(SystemError) in try FileTree.removeFile(Self.marker(directory.id, directory.home)) }
        withExtendedLifetime(use) {}
    }

    /// Whether a temporary snapshot has a maker who may still want it; the caller holds the lock of the state.
    static func isAnnounced(_ snapshot: SnapshotDirectory) -> Bool {
        FileTree.exists(marker(snapshot.id, snapshot.home))
    }

    /// Removes those whose makers were killed.
    static func sweep(_ home: Home) {
        let names = ((try? FileTree.names(in: home.snapshots)) ?? []).filter { $0.hasPrefix(prefix) }
        guard !names.isEmpty, let guardLock = try? FileLock.wait(home.stateLock) else { return }
        defer { withExtendedLifetime(guardLock) {} }
        sweepGuarded(home)
    }

    /// The same; the caller holds the lock of the state.
    static func sweepGuarded(_ home: Home) {
        let names = ((try? FileTree.names(in: home.snapshots)) ?? []).filter { $0.hasPrefix(prefix) }
        for id in names.compactMap({ SandboxID(String($0.dropFirst(prefix.count))) }) {
            let marker = marker(id, home)
            guard let lock = try? FileLock.attempt(marker) else { continue }
            defer { withExtendedLifetime(lock) {} }
            let snapshot = SnapshotDirectory(id, in: home)
            // Whoever makes it has begun.
            if FileTree.exists(snapshot.work) { continue }
            if FileTree.exists(snapshot.path), (try? snapshot.removeGuarded()) == nil { continue }
            try? FileTree.removeFile(marker)
        }
    }
}
