import LinuxSystem
import SandboxState

/// A sandbox written down, from which others begin.
///
/// ```swift
/// let snapshot = try await sandbox.snapshot(named: "installed")
/// let another = try await snapshot.restore()
/// ```
public struct Snapshot: Sendable {
    /// Its identity: 20 characters of `[a-z0-9]`.
    public let id: String
    /// Its name.
    public let name: String?
    /// When it was made, in seconds since 1970-01-01 00:00 UTC.
    public let created: Int64
    /// Whether memory and processes are in it; else it is of the disk only.
    public let hasMemory: Bool
    /// How long the sandbox stood still for it.
    public let pause: Duration

    private let record: SnapshotRecord
    let host: ResolvedHost

    init(_ record: SnapshotRecord, _ host: ResolvedHost) {
        (id, name, created, hasMemory) = (record.id, record.name, record.created, record.hasMemory)
        pause = .microseconds(Int64(clamping: record.pause))
        self.record = record
        self.host = host
    }

    /// Finds a snapshot by its name, its id, or the beginning of its id that no other has.
    /// - Throws: ``SandpiperError/refused(_:)`` when there is none.
    public static func find(_ nameOrID: String, on host: SandboxHost = SandboxHost()) async throws -> Snapshot {
        try await blocking {
            let host = try host.resolved()
            return Snapshot(try SnapshotDirectory.find(nameOrID, in: host.home).1, host)
        }
    }

    /// All snapshots, the oldest first.
    public static func all(on host: SandboxHost = SandboxHost()) async throws -> [Snapshot] {
        try await blocking {
            let host = try host.resolved()
            SandboxDirectory.sweep(host.home)
            return try SnapshotDirectory.all(in: host.home).map { Snapshot($0.1, host) }
        }
    }

    /// Makes a sandbox that goes on from here. It has an identity of its own.
    /// - Parameter name: a name for it.
    /// - Throws: ``SandpiperError``, `CancellationError`; then there is no sandbox.
    public func restore(named name: String? = nil) async throws -> Sandbox {
        try await Sandbox.restore(directory(), record, named: name, host)
    }

    /// Makes several at once.
    func restore(names: [String?]) async throws -> [Sandbox] {
        let directory = try directory()
        return try await withThrowingTaskGroup(of: Sandbox?.self) { tasks in
            for name in names {
                tasks.addTask { try await Sandbox.restore(directory, record, named: name, host) }
            }
            var made: [Sandbox] = []
            do {
                for try await case let sandbox? in tasks { made.append(sandbox) }
                return made
            } catch {
                tasks.cancelAll()
                while let late = await tasks.nextResult() {
                    if case .success(let sandbox?) = late { made.append(sandbox) }
                }
                let sandboxes = made
                await Task { for sandbox in sandboxes { try? await sandbox.remove() } }.value
                throw error
            }
        }
    }

    /// Removes the snapshot. Sandboxes that began from it are not touched.
    /// - Throws: ``SandpiperError``.
    public func remove() async throws {
        let directory = try directory()
        try await blocking { try directory.remove() }
    }

    private func directory() throws -> SnapshotDirectory {
        guard let id = SandboxID(record.id) else { throw SandpiperError.refused("there is no snapshot '\(record.id)'") }
        return SnapshotDirectory(id, in: host.home)
    }
}
