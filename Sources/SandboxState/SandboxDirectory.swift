import Glibc
import LinuxSystem

/// The files of one sandbox, and who owns them.
///
/// A sandbox is alive as long as somebody holds the lock in `run/<id>`; the supervisor does, from before the directory can
/// be seen until it has removed it. A free lock means that the owner was killed, and whoever looks next clears up.
public struct SandboxDirectory: Sendable {
    /// The sandbox.
    public let id: SandboxID
    private let home: Home

    /// The files of sandbox `id`, whether or not they are there.
    public init(_ id: SandboxID, in home: Home) {
        self.id = id
        self.home = home
    }

    private var path: String { "\(home.sandboxes)/\(id)" }
    private var runPath: String { "\(home.run)/\(id)" }
    /// The ``SandboxRecord``.
    public var record: String { path + "/sandbox.json" }
    /// The ``EngineRecord`` of a running sandbox.
    public var engine: String { path + "/engine.json" }
    /// The writable disk.
    public var upperDisk: String { path + "/upper.img" }
    /// The guest's console and the engine's messages: the newest part.
    public var console: String { path + "/console.log" }
    /// The parts of the console that are kept, the older first.
    public var consoleFiles: [String] { [console + ".1", console] }

    /// Makes the directory of a new sandbox, its record within, and returns its lock, held.
    /// - Throws: ``StateError/nameInUse(_:_:)``; then nothing was made.
    public static func create(_ record: SandboxRecord, in home: Home) throws(StateError) -> FileLock {
        guard let id = SandboxID(record.id) else { throw .noSuchSandbox(record.id) }
        let directory = SandboxDirectory(id, in: home)
        try system { () throws(SystemError) in
            try FileTree.makeDirectory(home.run)
            try FileTree.makeDirectory(home.sandboxes)
        }
        let guardLock = try system { () throws(SystemError) in try FileLock.wait(home.stateLock) }
        defer { withExtendedLifetime(guardLock) {} }
        if let name = record.name.flatMap({ SandboxName($0) }), let other = try find(named: name, in: home) {
            throw .nameInUse(name, other)
        }
        let lock = try system { () throws(SystemError) in
            try FileTree.makeDirectory(directory.runPath)
            return try FileLock.wait(directory.runPath + "/lock")
        }
        do {
            try system { () throws(SystemError) in try FileTree.makeDirectory(directory.path) }
            try RecordFile.write(record, to: directory.record)
        } catch {
            directory.remove()
            throw error
        }
        return lock
    }

    /// Removes all files of the sandbox. The caller holds its lock.
    public func remove() {
        // The run directory goes last: as long as it is there, a sweep finds what a crash left of the rest.
        try? FileTree.removeTree(path)
        try? FileTree.removeTree(runPath)
    }

    /// Removes what killed supervisors left behind. Costs one directory listing when there is nothing.
    public static func sweep(_ home: Home) {
        guard let names = try? FileTree.names(in: home.run), !names.isEmpty else { return }
        guard let guardLock = try? FileLock.wait(home.stateLock) else { return }
        defer { withExtendedLifetime(guardLock) {} }
        for id in names.compactMap({ SandboxID($0) }) {
            let directory = SandboxDirectory(id, in: home)
            // A directory without a lock file was left between making the two.
            guard let lock = try? FileLock.attempt(directory.runPath + "/lock") else { continue }
            withExtendedLifetime(lock) { directory.remove() }
        }
    }

    /// Ids of the sandboxes that have files, sorted.
    public static func all(in home: Home) throws(StateError) -> [SandboxID] {
        try system { () throws(SystemError) in try FileTree.names(in: home.sandboxes) }.compactMap { SandboxID($0) }
    }

    /// The sandboxes, by name or else by id, that run from each image; images by the digests of their manifests.
    public static func users(in home: Home) throws(StateError) -> [String: [String]] {
        var users: [String: [String]] = [:]
        for id in try all(in: home) {
            let path = SandboxDirectory(id, in: home).record
            do {
                let record = try RecordFile.read(SandboxRecord.self, from: path)
                users[record.imageDigest, default: []].append(record.name ?? record.id)
            } catch {
                // What vanishes meanwhile belongs to a sandbox that ended.
                if FileTree.exists(path) { throw error }
            }
        }
        return users
    }

    /// Finds a sandbox by its name, its id or a unique start of its id.
    public static func find(_ text: String, in home: Home) throws(StateError) -> SandboxDirectory {
        if let id = SandboxID(text), FileTree.exists("\(home.sandboxes)/\(id)") {
            return SandboxDirectory(id, in: home)
        }
        if let name = SandboxName(text), let id = try find(named: name, in: home) {
            return SandboxDirectory(id, in: home)
        }
        let matches = text.isEmpty ? [] : try all(in: home).filter { $0.description.hasPrefix(text) }
        guard let id = matches.first else { throw .noSuchSandbox(text) }
        guard matches.count == 1 else { throw .ambiguous(text) }
        return SandboxDirectory(id, in: home)
    }

    private static func find(named name: SandboxName, in home: Home) throws(StateError) -> SandboxID? {
        for id in try all(in: home) {
            // A record that vanishes meanwhile belongs to a sandbox that ended.
            let record = try? RecordFile.read(SandboxRecord.self, from: SandboxDirectory(id, in: home).record)
            if record?.name == name.description { return id }
        }
        return nil
    }
}

private func system<Result>(_ body: () throws(SystemError) -> Result) throws(StateError) -> Result {
    do { return try body() } catch { throw .system(error) }
}
