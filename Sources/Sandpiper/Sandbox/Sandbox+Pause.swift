import Control
import ControlClient
import LinuxSystem
import SandboxState

extension Sandbox {
    /// Freezes the sandbox: memory and processes go to the disk, and the machine ends. ``resume()`` lets it go on as if nothing
    /// had happened, after a restart of the host too. Processes that this object started go on waiting for it.
    /// - Parameter keepsMemory: only stops the processors; then memory stays in use.
    /// - Throws: ``SandpiperError``; then the sandbox goes on.
    public func pause(keepsMemory: Bool = false) async throws {
        let watch = try await watch()
        let connection = try await connection()
        connection.expectEnd("it was paused")
        _ = try await connection.request(.pause(keepsMemory: keepsMemory))
        let isLeft = try await blocking { [directory] in directory.currentLife().supervisor == nil }
        guard isLeft else { return }
        dropConnection()
        try await watch?.wait()
    }

    /// Lets a paused sandbox go on.
    /// - Throws: ``SandpiperError``; when a frozen machine does not go on here, it stays as it is.
    public func resume() async throws {
        let isOwned = try await blocking { [self] in
            let life = directory.currentLife()
            guard life.status == .paused else {
                throw SandpiperError.refused("sandbox \(id) is not paused, but \(life.status.rawValue)")
            }
            return directory.isOwned
        }
        guard isOwned else { return try await start() }
        // It is not ready before; so this connection cannot be one that waits for that.
        try await blocking { [directory] in _ = try ControlConnection(to: directory).request(.resume) }
    }

    /// Writes the sandbox down as it is at one instant; it goes on.
    /// - Parameters:
    ///   - name: a name for the snapshot.
    ///   - diskOnly: without memory and processes. Of a sandbox at rest there is only a disk.
    /// - Throws: ``SandpiperError``; then the sandbox goes on.
    public func snapshot(named name: String? = nil, diskOnly: Bool = false) async throws -> Snapshot {
        let name = try name.map { text in
            guard let name = SandboxName(text) else {
                throw SandpiperError.invalidArgument("'\(text)' is no name for a snapshot")
            }
            return name
        }
        return Snapshot(try await snapshot(SnapshotRequest(name: name, diskOnly: diskOnly)), host)
    }

    /// Makes sandboxes that go on from this one, which goes on too: each has an identity of its own, and shares memory with
    /// this one until it changes it.
    /// - Parameter count: how many, 1...1000.
    /// - Throws: ``SandpiperError``; then there are none.
    public func fork(count: Int = 1) async throws -> [Sandbox] {
        guard (1...1000).contains(count) else { throw SandpiperError.invalidArgument("\(count) forks; give 1 to 1000") }
        let temporary = try await blocking { [directory] in try TemporarySnapshot(in: directory.home) }
        // Unstructured: it goes to its end although this task may be cancelled.
        func remove() async throws { try await Task { try await blocking { try temporary.remove() } }.value }
        do {
            let request = SnapshotRequest(id: temporary.directory.id, isTemporary: true)
            let snapshot = Snapshot(try await snapshot(request), host)
            let forks = try await snapshot.restore(names: [String?](repeating: nil, count: count))
            try await remove()
            return forks
        } catch {
            try? await remove()
            throw error
        }
    }

    private func snapshot(_ request: SnapshotRequest) async throws -> SnapshotRecord {
        do {
            guard case .snapshot(let record) = try await connection().request(.snapshot(request)) else {
                throw unexpected
            }
            return record
        } catch SandpiperError.notRunning {
            return try await blocking { [directory] in try directory.snapshotAtRest(request) }
        }
    }

    /// Makes a sandbox from a snapshot and starts it.
    static func restore(
        _ directory: SnapshotDirectory, _ origin: SnapshotRecord, named name: String?, _ host: ResolvedHost
    ) async throws -> Sandbox {
        let (sandbox, process) = try await blocking {
            let name = try name.map { text in
                guard let name = SandboxName(text) else {
                    throw SandpiperError.invalidArgument("'\(text)' is no name for a sandbox")
                }
                return name
            }
            let record = origin.child(named: name)
            let process = try SupervisorProcess(
                restoring: record, from: directory, origin, host.home, host.installation)
            guard let id = SandboxID(record.id) else { throw SandpiperError.sandboxNotFound(record.id) }
            EventLog(host.home).append(.init(.restore, id, name: record.name, detail: origin.name ?? origin.id))
            return (Sandbox(record, SandboxDirectory(id, in: host.home), host), process)
        }
        try await sandbox.become(process)
        return sandbox
    }
}
