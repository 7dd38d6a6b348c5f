import Glibc
import LinuxSystem

/// Follows a ``NetworkLog`` from now on, until its sandbox is removed.
public struct NetworkLogWatch: Sendable {
    /// Readable when there may be something new.
    public var changed: Descriptor { changes.descriptor }

    private let directory: String
    private let log: String
    private let changes: InotifyDescriptor
    private var reader: LogLineReader

    /// What is written after this is told of. Blocks.
    /// - Throws: ``SystemError``; `ENOENT` when there is no such sandbox.
    public init(_ directory: SandboxDirectory) throws(SystemError) {
        self.directory = directory.path
        log = NetworkLog(directory).path
        changes = try InotifyDescriptor()
        reader = LogLineReader(path: log)
        // Not what is written to any file: the sandbox's disk is among them.
        try changes.watch(directory.path, .names)
        // A directory tells of its own end only when nobody has a file open that was in it; we have.
        try changes.watch(directory.home.sandboxes, .names)
        try watchLog()
        reader.skip()
    }

    /// The events that were added since the last call, in order; `nil` when the sandbox has gone, and no more will come.
    /// Lines that are no events are passed over. Blocks for no longer than reading takes.
    /// - Throws: ``SystemError`` when the log cannot be read.
    public mutating func events() throws(SystemError) -> [NetworkEvent]? {
        changes.clear()
        let hasGone = !FileTree.exists(directory)
        try watchLog()
        let events = NetworkLog.parse(try reader.lines())
        return events.isEmpty && hasGone ? nil : events
    }

    /// Watches the file that has the name now; the one that had it is still watched until it goes.
    private func watchLog() throws(SystemError) {
        do throws(SystemError) { try changes.watch(log, .content) } catch {
            // None was written yet, or it has gone with its sandbox.
            guard error.number == ENOENT else { throw error }
        }
    }
}
