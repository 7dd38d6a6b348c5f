import Glibc

/// What a snapshot is; kept as `snapshot.json` in its directory.
public struct SnapshotRecord: Codable, Equatable, Sendable {
    /// Its id, of the form of a ``SandboxID``.
    public var id: String
    /// Its name, of the form of a ``SandboxName``.
    public var name: String?
    /// When it was made, in seconds since 1970-01-01 00:00 UTC.
    public var created: Int64
    /// The sandbox as it was.
    public var sandbox: SandboxRecord
    /// Whether memory and processes are in it; else it is of the disk only.
    public var hasMemory: Bool
    /// How long the sandbox stood still for it, in microseconds.
    public var pause: UInt64

    /// Makes a record.
    public init(
        id: String, name: String?, created: Int64, sandbox: SandboxRecord, hasMemory: Bool, pause: UInt64
    ) {
        self.id = id
        self.name = name
        self.created = created
        self.sandbox = sandbox
        self.hasMemory = hasMemory
        self.pause = pause
    }

    /// The record of a new sandbox that begins from here. It goes on without a client, whatever the other did, and its ports are
    /// published at numbers of the host's choice, since the other has its own.
    public func child(named name: SandboxName?) -> SandboxRecord {
        var child = sandbox
        child.id = SandboxID().description
        child.name = name?.description
        child.created = Int64(time(nil))
        child.networkSettings?.forget()
        if child.endsWithClient { (child.endsWithClient, child.removesItself) = (false, false) }
        return child
    }
}

extension SandboxRecord {
    /// Refuses to fork a sandbox that writes to a volume: its forks could not.
    /// - Throws: ``StateError/badMount(_:)``.
    public func checkFork() throws(StateError) {
        guard let mount = mounts.first(where: { $0.type == .volume && !$0.readOnly }) else { return }
        throw .badMount(
            "the sandbox cannot be forked: it writes to the volume '\(mount.source ?? "")', and whoever writes to a "
                + "volume has it alone; mount it with ':ro', or restore a snapshot when the sandbox has ended")
    }
}
