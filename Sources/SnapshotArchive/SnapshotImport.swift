import Engine
import ForeignText
import FrozenMachine
import Glibc
import ImageStore
import LinuxSystem
import OCI
import SandboxState
import Synchronization

/// Makes a snapshot of an archive, whoever wrote that.
public final class SnapshotImport: Sendable {
    private let home: Home
    private let store: ImageStore
    private let installation: Installation
    private let directory: SnapshotDirectory
    /// Held while something is made or moved away, so that a removal at that moment leaves nothing.
    private let isDiscarded = Mutex(false)

    /// An import that has begun nothing.
    public init(into home: Home, store: ImageStore, _ installation: Installation) {
        self.home = home
        self.store = store
        self.installation = installation
        directory = SnapshotDirectory(SandboxID(), in: home)
    }

    /// Reads an archive from where `input` stands to its end, and publishes the snapshot. Blocks.
    /// - Parameter name: a name for it; `nil` for the archive's own.
    /// - Returns: its record.
    /// - Throws: ``SnapshotArchiveError``; then nothing is left of it.
    public func run(_ input: Descriptor, name: SandboxName?) throws -> SnapshotRecord {
        let reader = try ArchiveReader { try input.read(into: $0) }
        let manifest = try ArchiveManifest(decoding: try reader.manifest())
        if let problem = manifest.problem { throw SnapshotArchiveError.refused("the archive is refused: \(problem)") }
        let engine = try checkEngine(manifest)
        try checkImage(manifest)
        var record = manifest.snapshot
        record.id = directory.id.description
        if let name { record.name = name.description }
        record.sandbox.networkSettings = record.sandbox.networkSettings?.foreign
        (record.sandbox.kernel, record.sandbox.initramfs) = (try installation.kernel(), try installation.initramfs())
        if let name = record.name, let other = try SnapshotDirectory.all(in: home).first(where: { $0.1.name == name }) {
            throw SnapshotArchiveError.refused(
                "the name '\(name)' is in use by snapshot \(other.0.id); choose another with --name")
        }
        let lock = try directory.begin()
        defer { withExtendedLifetime(lock) {} }
        do {
            try checkRoom(manifest)
            for file in manifest.files { try take(file, from: reader) }
            try reader.finish()
            try checkContent(manifest)
            if let machine = manifest.machine, let engine { try machine.complete(in: machinePath, with: engine) }
            try isDiscarded.withLock { isDiscarded in
                guard !isDiscarded else { throw SnapshotArchiveError.refused("interrupted") }
                try directory.publish(record, durable: true)
            }
        } catch {
            try? FileTree.removeTree(directory.work)
            throw error
        }
        directory.removeLock()
        return record
    }

    /// Removes what is half-made. May be called from any thread, as when a signal is to end the process.
    /// - Parameter end: done before anything more is published.
    public func discard(then end: () -> Void) {
        isDiscarded.withLock { isDiscarded in
            isDiscarded = true
            // Whoever is writing may add a file while the directory is being emptied.
            for _ in 0..<8 where FileTree.exists(directory.work) { try? FileTree.removeTree(directory.work) }
            end()
        }
    }

    private var machinePath: String { directory.work + "/" + SnapshotDirectory.machineName }

    // MARK: Before anything is written

    private func checkEngine(_ manifest: ArchiveManifest) throws -> EngineFinder.Engine? {
        guard let machine = manifest.machine else { return nil }
        try FileTree.makeDirectory(home.cache)
        let engine = try EngineFinder(cacheDirectory: home.cache).find(requireKVM: manifest.snapshot.sandbox.requireKVM)
        if let reason = try machine.mismatch(with: engine) {
            throw SnapshotArchiveError.refused("the snapshot cannot go on on this host: \(reason.excerpt(300))")
        }
        return engine
    }

    private func checkImage(_ manifest: ArchiveManifest) throws {
        let digest = try Digest(manifest.snapshot.sandbox.imageDigest)
        guard let image = try store.images().first(where: { $0.digest == digest }) else {
            let names = manifest.imageNames.prefix(3).map { $0.excerpt(100) }.joined(separator: ", ")
            let known = names.isEmpty ? "" : " (there it was \(names))"
            throw SnapshotArchiveError.refused(
                "its image \(digest)\(known) is not here; fetch it with 'sandpiper pull' or 'sandpiper load' first")
        }
        guard try manifest.machine == nil || image.diskDigest() == manifest.imageDisk else {
            throw SnapshotArchiveError.refused(
                "the disk of its image \(image.name) is laid out in another way here; use the Sandpiper that made it")
        }
    }

    private func checkRoom(_ manifest: ArchiveManifest) throws {
        var status = statvfs()
        guard statvfs(directory.work, &status) == 0 else { throw SystemError("look at", directory.work) }
        let free = UInt64(status.f_bavail).multipliedReportingOverflow(by: UInt64(status.f_frsize))
        // All sizes are within limits whose sum is far from what a number holds.
        let wanted = manifest.files.reduce(UInt64(1 << 20)) { $0 &+ UInt64(clamping: $1.most) }
        guard free.overflow || wanted <= free.partialValue else {
            throw SnapshotArchiveError.refused(
                "the snapshot takes \(wanted >> 20) MiB, and the disk of \(home.path) has \(free.partialValue >> 20) MiB left"
            )
        }
    }

    // MARK: Files

    private func path(_ file: ArchiveFile) throws -> String {
        switch file.name {
        case ArchiveManifest.session: return machinePath + "/" + SandboxDirectory.frozenSessionName
        case ArchiveManifest.state: return PortableMachine.statePath(in: machinePath)
        case ArchiveManifest.memory: return PortableMachine.memoryPath(in: machinePath)
        case ArchiveManifest.disk: return directory.work + "/" + SnapshotDirectory.diskName
        default:
            guard let job = ArchivedJobFile(file.name) else {
                throw SnapshotArchiveError.damaged("'\(file.name.excerpt(40))' is no file of a snapshot")
            }
            return "\(directory.work)/\(job.archiveName)"
        }
    }

    private func take(_ file: ArchiveFile, from reader: ArchiveReader) throws {
        let path = try path(file)
        let output = try isDiscarded.withLock { isDiscarded in
            guard !isDiscarded else { throw SnapshotArchiveError.refused("interrupted") }
            if let slash = path.lastIndex(of: "/") { try FileTree.makeDirectory(String(path[..<slash])) }
            return try Descriptor(opening: path, O_RDWR | O_CREAT | O_EXCL)
        }
        guard ftruncate(output.rawValue, off_t(file.size)) == 0 else { throw SystemError("make", path) }
        try reader.read(file) { bytes, offset in try output.write(bytes, at: offset) }
        try output.synchronize()
        // Others go on from these, and none may change them.
        let isShared = [ArchiveManifest.memory, ArchiveManifest.state].contains(file.name)
        guard !isShared || fchmod(output.rawValue, 0o400) == 0 else { throw SystemError("protect", path) }
    }

    // MARK: Before it is published

    /// What a supervisor kept of its streams; here only what must hold of it for another to read it.
    private struct SessionShape: Decodable {
        struct Stream: Decodable {
            let number: UInt32
            let job: UInt32?
            let outputCredit: [UInt32?]
        }
        let streams: [Stream]
        let mainJob: Int?
    }

    private func checkContent(_ manifest: ArchiveManifest) throws {
        guard manifest.machine != nil else { return }
        var jobs: Set<Int> = []
        for job in manifest.files.compactMap({ ArchivedJobFile($0.name) }) {
            jobs.insert(job.number)
            let path = "\(directory.work)/\(job.archiveName)"
            if job.name == JobDirectory.recordName { try checkRecord(path, job.number) }
        }
        for number in jobs { try checkLog("\(directory.work)/\(SnapshotDirectory.jobsName)/\(number)", number) }
        let session = try decode(
            SessionShape.self, machinePath + "/" + SandboxDirectory.frozenSessionName, "its session")
        guard session.streams.allSatisfy({ $0.outputCredit.count == 2 && $0.number > 0 }),
            session.streams.compactMap(\.job).allSatisfy({ jobs.contains(Int($0)) }),
            session.mainJob.map({ jobs.contains($0) }) != false
        else { throw SnapshotArchiveError.refused("the archive is refused: its session makes no sense") }
    }

    private func checkRecord(_ path: String, _ number: Int) throws {
        let record = try decode(JobRecord.self, path, "a job's record")
        guard record.isSound(as: number) else {
            throw SnapshotArchiveError.refused("the archive is refused: the record of job \(number) makes no sense")
        }
        // As it is written here, whatever else was in it.
        try RecordFile.write(record, to: path, durable: true)
    }

    private func checkLog(_ path: String, _ number: Int) throws {
        guard FileTree.exists(path + "/" + JobDirectory.recordName), FileTree.exists(path + "/" + JobDirectory.logName)
        else { throw SnapshotArchiveError.refused("the archive is refused: job \(number) lacks a record or a log") }
        do {
            _ = try JobLog(continuing: path + "/" + JobDirectory.logName)
        } catch {
            throw SnapshotArchiveError.refused("the archive is refused: the log of job \(number) cannot be read")
        }
    }

    private func decode<Value: Decodable>(_: Value.Type, _ path: String, _ what: String) throws -> Value {
        do {
            return try BoundedJSON.decode(Value.self, from: try FileTree.read(path, limit: 1 << 20), document: what)
        } catch let error as OCIError {
            throw SnapshotArchiveError.refused("the archive is refused: \("\(error)".excerpt(300))")
        }
    }
}
