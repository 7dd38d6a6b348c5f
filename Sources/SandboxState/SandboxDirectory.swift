import Glibc
import LinuxSystem

/// The files of one sandbox, and who owns them.
///
/// A sandbox has an owner as long as somebody holds the lock in `run/<id>`; the supervisor does, from before the directory
/// can be seen until its machine is gone. A free lock means that nobody does: the sandbox is at rest, or its owner was
/// killed, and then whoever looks next puts the state right.
public struct SandboxDirectory: Sendable {
    /// The sandbox.
    public let id: SandboxID
    /// Where its files are.
    public let home: Home

    /// The files of sandbox `id`, whether or not they are there.
    public init(_ id: SandboxID, in home: Home) {
        self.id = id
        self.home = home
    }

    /// The directory that holds its files; ``socketDirectory`` is another.
    public var path: String { "\(home.sandboxes)/\(id)" }
    var runPath: String { "\(home.run)/\(id)" }
    var lock: String { runPath + "/lock" }
    /// The ``SandboxRecord``.
    public var record: String { path + "/sandbox.json" }
    /// The ``SandboxLife``.
    public var life: String { path + "/life.json" }
    /// The frozen machine of a paused sandbox, a directory, and the supervisor's part of it within, ``frozenSessionName``.
    /// Nothing of the sandbox goes on as long as it is there.
    public var frozen: String { path + "/frozen" }
    /// Where a machine is frozen to.
    public var frozenWork: String { path + "/frozen.new" }
    /// What the running machine goes on from: a directory that was ``frozen`` once.
    public var origin: String { path + "/origin" }
    /// What the supervisor knows of a frozen machine, in its directory.
    public static let frozenSessionName = "session.json"
    /// There in the directory of a frozen machine when another sandbox goes on from it than was frozen.
    public static let frozenAsNewName = "new"
    /// The ``EngineRecord`` of a running sandbox.
    public var engine: String { path + "/engine.json" }
    /// The writable disk.
    public var upperDisk: String { path + "/upper.img" }
    /// The guest's console and the engine's messages: the newest part.
    public var console: String { path + "/console.log" }
    /// The parts of the console that are kept, the older first.
    public var consoleFiles: [String] { [console + ".1", console] }
    /// One directory for each job in the background, by its number.
    public var jobs: String { path + "/jobs" }
    /// The directory of the control socket, ``controlSocketName``: there while the sandbox has an owner.
    public var socketDirectory: String { runPath }
    /// The control socket's name in ``socketDirectory``.
    public static let controlSocketName = "control"
    /// The name there of the socket on which other sandboxes of its private networks send it packets.
    public static let networkSocketName = "network"

    /// How much of the host's disk the sandbox's files take, in bytes.
    public var diskUsage: Int64 { FileTree.diskUsage(path) }

    /// The directory of a job, which holds its ``JobRecord`` (`job.json`) and ``JobLog`` (`log`).
    public func job(_ number: Int) -> String { "\(jobs)/\(number)" }

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
        try Volume.makeMissing(record.mounts, in: home)
        let lock = try system { () throws(SystemError) in
            try FileTree.makeDirectory(directory.runPath)
            return try FileLock.wait(directory.lock)
        }
        do {
            try system { () throws(SystemError) in try FileTree.makeDirectory(directory.path) }
            try PrivateNetwork.join(record, in: home)
            // Whoever finds this says so: it never came to be.
            if !record.endsWithClient { try RecordFile.write(SandboxLife(.starting), to: directory.life) }
            try RecordFile.write(record, to: directory.record)
        } catch {
            directory.removeAll()
            throw error
        }
        return lock
    }

    /// Brings a new sandbox to the disk: from now on it is there after a power cut too. Blocks.
    public func synchronize() throws(StateError) {
        try system { () throws(SystemError) in
            try Descriptor(opening: record, O_RDWR).synchronize()
            try FileTree.synchronizeDirectory(of: record)
            try FileTree.synchronizeDirectory(of: path)
        }
    }

    /// Becomes the owner of a sandbox that has none, to start, change or remove it.
    /// - Throws: ``StateError/isOwned(_:)`` when it has one, ``StateError/noSuchSandbox(_:)`` when it is gone.
    public func claim() throws(StateError) -> FileLock {
        waitForRest()
        let guardLock = try system { () throws(SystemError) in try FileLock.wait(home.stateLock) }
        defer { withExtendedLifetime(guardLock) {} }
        guard FileTree.exists(path) else { throw .noSuchSandbox("\(id)") }
        let lock = try system { () throws(SystemError) -> FileLock? in
            try FileTree.makeDirectory(runPath)
            if let lock = try FileLock.attempt(self.lock) { return lock }
            // Those who only ask for the owner hold the lock for a moment, and nobody becomes it meanwhile.
            return isOwned ? nil : try FileLock.wait(self.lock)
        }
        guard let lock else { throw .isOwned(id) }
        // What its last owner was about when it was killed; nobody could tell us from it afterwards.
        SnapshotDirectory.sweepGuarded(home, settled: id)
        TemporarySnapshot.sweepGuarded(home)
        settle()
        guard FileTree.exists(path) else { throw .noSuchSandbox("\(id)") }
        return lock
    }

    /// Waits while an owner that has written how its sandbox ended takes leave of its clients, ten seconds at most. Blocks.
    public func waitForRest() {
        guard isOwned, let changes = try? InotifyDescriptor() else { return }
        for path in [path, home.run, runPath] { try? changes.watch(path, [.names, .removal]) }
        let deadline = HostClock.monotonic + 10_000_000_000
        while isOwned, let life = try? RecordFile.read(SandboxLife.self, from: life),
            [.stopped, .crashed].contains(life.status)
        {
            let now = HostClock.monotonic
            guard now < deadline else { return }
            var wait = pollfd(fd: changes.descriptor.rawValue, events: Int16(POLLIN), revents: 0)
            _ = poll(&wait, 1, Int32(clamping: (deadline - now) / 1_000_000 + 1))
            changes.clear()
        }
    }

    /// Gives up a claim: the sandbox is at rest. The caller holds its lock, and drops it after this.
    public func release() {
        // Whoever claims the sandbox next must not have the new lock removed under it.
        let guardLock = try? FileLock.wait(home.stateLock)
        withExtendedLifetime(guardLock) { removeRunDirectory() }
    }

    /// Removes all files of the sandbox. The caller holds its lock.
    public func remove() {
        let guardLock = try? FileLock.wait(home.stateLock)
        withExtendedLifetime(guardLock) { removeAll() }
    }

    /// What ``remove()`` does, for a caller that holds the state lock.
    private func removeAll() {
        // The run directory goes last: as long as it is there, a sweep finds what a crash left of the rest.
        removeFiles()
        removeRunDirectory()
    }

    private func removeRunDirectory() {
        // Only now, since a supervisor removes its sandbox's files without holding the state lock.
        if !FileTree.exists(path) { PrivateNetwork.leave(id, in: home) }
        try? FileTree.removeTree(runPath)
    }

    /// Removes all files of the sandbox but those that tell of its owner; ``release()`` is to follow.
    public func removeFiles() { try? FileTree.removeTree(path) }

    /// Gives the sandbox another name, or none, whoever owns it.
    /// - Throws: ``StateError/nameInUse(_:_:)``; then nothing was changed.
    public func rename(to name: SandboxName?) throws(StateError) {
        let guardLock = try system { () throws(SystemError) in try FileLock.wait(home.stateLock) }
        defer { withExtendedLifetime(guardLock) {} }
        var record = try RecordFile.read(SandboxRecord.self, from: record)
        if let name, let other = try Self.find(named: name, in: home), other != id { throw .nameInUse(name, other) }
        record.name = name?.description
        try RecordFile.write(record, to: self.record, durable: true)
        PrivateNetwork.rename(id, in: home)
    }

    /// Where the sandbox is in its life. A supervisor that was killed shows as ``SandboxLife/Status/crashed``.
    public func currentLife() -> SandboxLife {
        // The lock first: an owner that ends meanwhile has written its last word before it lets go.
        let isOwned = isOwned
        let life = (try? RecordFile.read(SandboxLife.self, from: life)) ?? (isOwned ? SandboxLife(.starting) : .lost)
        if isOwned || life.status == .paused && FileTree.exists(frozen) { return life }
        return life.orphaned(now: Int64(time(nil)))
    }

    /// Whether somebody owns it at this moment.
    public var isOwned: Bool {
        guard let file = try? Descriptor(opening: lock, O_RDWR) else { return false }
        // Shared, so that two who ask do not take each other for the owner.
        return flock(file.rawValue, LOCK_SH | LOCK_NB) != 0
    }

    /// Removes the frozen machine, and what the running one went on from. The caller holds the lock.
    public func removeFrozenMachine() {
        for path in [frozen, origin] { try? FileTree.removeTree(path) }
    }

    /// Ends a paused sandbox that has no owner: its memory and processes are lost, as when its machine is turned off.
    public func endPaused() throws(StateError) {
        let lock = try claim()
        removeFrozenMachine()
        if var life = try? RecordFile.read(SandboxLife.self, from: life), life.status == .paused {
            (life.status, life.reason, life.ended) = (.stopped, "it was ended while it was paused", Int64(time(nil)))
            JobDirectory.settle(jobs)
            try RecordFile.write(life, to: self.life, durable: true)
        }
        release()
        withExtendedLifetime(lock) {}
    }

    /// Puts right what a killed owner left: a sandbox that is to be kept is marked as crashed, any other removed. The
    /// caller holds its lock.
    private func settle() {
        guard let record = try? RecordFile.read(SandboxRecord.self, from: record) else {
            // A damaged record is left to the user, a missing one means that making the sandbox was never completed.
            if !FileTree.exists(self.record) { removeAll() }
            return
        }
        let known = try? RecordFile.read(SandboxLife.self, from: life)
        if record.removesItself && known?.isOwned != false || known?.status == .starting && known?.started == nil {
            return removeAll()
        }
        try? FileTree.removeFile(engine)
        for leftover in [frozenWork, origin] { try? FileTree.removeTree(leftover) }
        if let known, !known.isOwned, known.status != .paused { return }
        if FileTree.exists(frozen) {
            if known?.status == .paused { return }
            // Its owner was killed when the machine was frozen already, or did not go on yet.
            let paused = (known ?? .lost).paused()
            return (try? RecordFile.write(paused, to: life)) ?? ()
        }
        let crashed = known?.orphaned(now: Int64(time(nil))) ?? .lost
        try? RecordFile.write(crashed, to: life)
        JobDirectory.settle(jobs)
        EventLog(home).append(.init(.crash, id, name: record.name, detail: crashed.reason))
    }

    /// Settles what killed supervisors left behind. Costs one directory listing when there is nothing.
    public static func sweep(_ home: Home) {
        SnapshotDirectory.sweep(home)
        TemporarySnapshot.sweep(home)
        guard let names = try? FileTree.names(in: home.run), !names.isEmpty else { return }
        guard let guardLock = try? FileLock.wait(home.stateLock) else { return }
        defer { withExtendedLifetime(guardLock) {} }
        for id in names.compactMap({ SandboxID($0) }) {
            let directory = SandboxDirectory(id, in: home)
            guard let lock = try? FileLock.attempt(directory.lock) else { continue }
            directory.settle()
            withExtendedLifetime(lock) { directory.removeRunDirectory() }
        }
    }

    /// Settles also what has no run directory any more, as after a power cut.
    public static func sweepAll(_ home: Home) {
        sweep(home)
        guard let ids = try? all(in: home) else { return }
        for id in ids {
            let directory = SandboxDirectory(id, in: home)
            let isWhole = FileTree.exists(directory.record)
            let life = try? RecordFile.read(SandboxLife.self, from: directory.life)
            if isWhole, let life, !life.isOwned { continue }
            if let lock = try? directory.claim() { withExtendedLifetime(lock) { directory.release() } }
        }
    }
}

func system<Result>(_ body: () throws(SystemError) -> Result) throws(StateError) -> Result {
    do { return try body() } catch { throw .system(error) }
}
