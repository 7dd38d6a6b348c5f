import Control
import ControlClient
import LinuxSystem
import SandboxState
import Synchronization

/// An isolated machine with a file system of its own, in which processes run.
///
/// ```swift
/// let sandbox = try await Sandbox.create(image: "python")
/// let output = try await sandbox.exec(["python3", "-c", "print(6 * 7)"])
/// print(output.standardOutput.text)
/// try await sandbox.remove()
/// ```
///
/// A sandbox goes on when this object and this program are gone, until it is stopped; ``find(_:on:)`` finds it again.
/// For one that goes with a block of code, see ``withSandbox(image:options:on:isolation:_:)``.
///
/// The object keeps one connection to the sandbox, which all its processes share, and may be used by many tasks at once.
/// An idle sandbox with an ``Options/idleTimeout`` is not kept awake by it.
public final class Sandbox: Sendable {
    /// Its identity: 20 characters of `[a-z0-9]`.
    public let id: String
    /// The image as it was named when the sandbox was made.
    public let image: String
    /// Names and values of your own.
    public let labels: [String: String]

    let directory: SandboxDirectory
    let host: ResolvedHost
    let record: SandboxRecord

    private struct Link {
        /// Keeps the connection while nobody uses it.
        var held: Connection?
        weak var connection: Connection?
        /// The file server, which is kept likewise.
        var heldFiles: FileConversation?
        weak var files: FileConversation?
        /// The supervisor, when this object started it.
        var supervisor: ProcessWatch?
    }

    private let link = Mutex(Link())

    init(_ record: SandboxRecord, _ directory: SandboxDirectory, _ host: ResolvedHost) {
        id = record.id
        image = record.image
        labels = record.labels
        self.record = record
        self.directory = directory
        self.host = host
    }

    // MARK: Finding

    /// Finds a sandbox.
    /// - Parameters:
    ///   - nameOrID: its name, its id, or the beginning of its id that no other has.
    ///   - host: where to look.
    /// - Throws: ``SandpiperError/sandboxNotFound(_:)``.
    public static func find(_ nameOrID: String, on host: SandboxHost = SandboxHost()) async throws -> Sandbox {
        try await blocking {
            let host = try host.resolved()
            SandboxDirectory.sweep(host.home)
            return try Sandbox(.find(nameOrID, in: host.home), host)
        }
    }

    /// All sandboxes, those at rest too, sorted by the time they were made.
    public static func all(on host: SandboxHost = SandboxHost()) async throws -> [Sandbox] {
        try await blocking {
            let host = try host.resolved()
            SandboxDirectory.sweep(host.home)
            // One that vanishes meanwhile was removed; a damaged one is nothing that can be used.
            return try SandboxDirectory.all(in: host.home).compactMap { id in
                try? Sandbox(SandboxDirectory(id, in: host.home), host)
            }.sorted { ($0.record.created, $0.id) < ($1.record.created, $1.id) }
        }
    }

    private convenience init(_ directory: SandboxDirectory, _ host: ResolvedHost) throws {
        self.init(try RecordFile.read(SandboxRecord.self, from: directory.record), directory, host)
    }

    // MARK: Looking at it

    /// Its name; `nil` when it has none.
    public var name: String? {
        get async throws { try await blocking { [self] in try currentRecord().name } }
    }

    /// Where it is in its life.
    /// - Throws: ``SandpiperError/sandboxNotFound(_:)`` when it was removed.
    public var state: State {
        get async throws {
            try await blocking { [self] in
                SandboxDirectory.sweep(host.home)
                _ = try currentRecord()
                return State(directory.currentLife())
            }
        }
    }

    /// What it uses at this moment.
    /// - Throws: ``SandpiperError/notRunning(sandbox:state:reason:)``.
    public func statistics() async throws -> Statistics {
        guard case .statistics(let measured) = try await connection().request(.statistics) else { throw unexpected }
        return Statistics(measured)
    }

    private func currentRecord() throws -> SandboxRecord {
        guard FileTree.exists(directory.record) else { throw SandpiperError.sandboxNotFound(id) }
        return try RecordFile.read(SandboxRecord.self, from: directory.record)
    }

    // MARK: The connection

    /// A connection to the running sandbox.
    /// - Throws: ``SandpiperError/notRunning(sandbox:state:reason:)``.
    func connection() async throws -> Connection {
        if let connection = openConnection { return connection }
        let socket = try await blocking { [self] in
            _ = try currentRecord()
            return try ControlConnection(waking: directory).socket
        }
        let connection = try await Connection.open(socket, to: directory)
        try await connection.waitUntilReady()
        keep(connection)
        return connection
    }

    /// The connection, if there is one.
    var openConnection: Connection? {
        link.withLock { link in
            guard let connection = link.held ?? link.connection, connection.isOpen else { return nil }
            return connection
        }
    }

    /// Uses a connection from now on.
    func keep(_ connection: Connection) {
        link.withLock { link in
            // A client keeps a sandbox from being idle.
            if keepsAwake { link.held = connection }
            link.connection = connection
        }
    }

    /// The file server of the running sandbox.
    func fileConversation() async throws -> FileConversation {
        let open = link.withLock { $0.heldFiles ?? $0.files }
        if let open, open.isOpen { return open }
        let files = try await FileConversation("", on: try await connection())
        link.withLock { link in
            if keepsAwake { link.heldFiles = files }
            link.files = files
        }
        return files
    }

    /// Whether the sandbox may be held from being idle.
    private var keepsAwake: Bool { record.limits.idleTimeout == nil || record.endsWithClient }

    /// Hangs up; processes that run end.
    func dropConnection() {
        link.withLock { link in
            (link.held ?? link.connection)?.close()
            // Whoever still holds it may not have heard of its end, and nobody shall use it meanwhile.
            link = Link(supervisor: link.supervisor)
        }
    }

    /// The supervisor that this object started.
    var supervisor: ProcessWatch? {
        get { link.withLock { $0.supervisor } }
        set { link.withLock { $0.supervisor = newValue } }
    }

    /// What an answer that makes no sense is told as.
    var unexpected: SandpiperError { .ended(sandbox: id, reason: "its supervisor gave an answer that makes no sense") }
}
