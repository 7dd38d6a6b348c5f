import LinuxSystem

/// A snapshot that its maker uses once and removes. When its maker is killed before, the next command removes it.
///
/// A file beside the snapshot names the sandbox that it is of; its maker holds the file's lock as long as it lives.
public struct TemporarySnapshot: Sendable {
    /// Its files, from when the supervisor has made it.
    public let directory: SnapshotDirectory
    private let use: FileLock

    private static let prefix = "use."
    private static func marker(_ id: SandboxID, _ home: Home) -> String { "\(home.snapshots)/\(prefix)\(id)" }

    /// Announces that this process will have a snapshot made, and remove it.
    /// - Throws: ``StateError``; then nothing was made.
    public init(of sandbox: SandboxDirectory) throws(StateError) {
        let home = sandbox.home
        let id = SandboxID()
        directory = SnapshotDirectory(id, in: home)
        let guardLock = try system { () throws(SystemError) in try FileLock.wait(home.stateLock) }
        defer { withExtendedLifetime(guardLock) {} }
        use = try system { () throws(SystemError) in
            try FileTree.makeDirectory(home.snapshots)
            let lock = try FileLock.wait(Self.marker(id, home))
            try lock.descriptor.write(Array(sandbox.id.description.utf8))
            return lock
        }
    }

    /// Removes it, made or not.
    /// - Throws: ``StateError``.
    public func remove() throws(StateError) {
        if FileTree.exists(directory.path) { try directory.remove() }
        try system { () throws(SystemError) in try FileTree.removeFile(Self.marker(directory.id, directory.home)) }
        withExtendedLifetime(use) {}
    }

    /// Removes those whose makers were killed.
    static func sweep(_ home: Home) {
        let names = ((try? FileTree.names(in: home.snapshots)) ?? []).filter { $0.hasPrefix(prefix) }
        guard !names.isEmpty, let guardLock = try? FileLock.wait(home.stateLock) else { return }
        defer { withExtendedLifetime(guardLock) {} }
        sweepGuarded(home)
    }

    /// The same; the caller holds the lock of the state.
    /// - Parameter settled: a sandbox whose owner has died, though it has a new one: the caller.
    static func sweepGuarded(_ home: Home, settled: SandboxID? = nil) {
        let names = ((try? FileTree.names(in: home.snapshots)) ?? []).filter { $0.hasPrefix(prefix) }
        for id in names.compactMap({ SandboxID(String($0.dropFirst(prefix.count))) }) {
            let marker = marker(id, home)
            guard let lock = try? FileLock.attempt(marker) else { continue }
            defer { withExtendedLifetime(lock) {} }
            let snapshot = SnapshotDirectory(id, in: home)
            if FileTree.exists(snapshot.path) {
                guard (try? snapshot.removeGuarded()) != nil else { continue }
            } else if let bytes = try? FileTree.read(marker, limit: 64),
                let sandbox = SandboxID(String(decoding: bytes, as: UTF8.self)), sandbox != settled,
                SandboxDirectory(sandbox, in: home).isOwned
            {
                // Its supervisor may still make it.
                continue
            }
            try? FileTree.removeFile(marker)
        }
    }
}
