import Engine
import FrozenMachine
import Glibc
import Hashing
import ImageStore
import LinuxSystem
import OCI
import SandboxState

/// Writes a snapshot to an archive.
public struct SnapshotExport {
    private var manifest: ArchiveManifest
    private var contents: [() throws -> SparseContent] = []

    /// Looks at a snapshot; its large files are only opened. Blocks.
    /// - Throws: ``SnapshotArchiveError/unfit(_:)`` when it is damaged, or cannot go out.
    public init(_ directory: SnapshotDirectory, _ record: SnapshotRecord, store: ImageStore) throws {
        let digest: Digest
        do { digest = try Digest(record.sandbox.imageDigest) } catch { throw SnapshotArchiveError.unfit("\(error)") }
        guard let image = try store.images().first(where: { $0.digest == digest }) else {
            throw SnapshotArchiveError.unfit("its image \(digest) is not in the store")
        }
        manifest = ArchiveManifest(
            snapshot: record.portable, imageNames: image.references.map(\.familiar), imageDisk: try image.diskDigest(),
            machine: nil, files: [])
        let machinePath = directory.machine
        if record.hasMemory {
            let machine = try FrozenMachine(in: machinePath)
            manifest.machine = machine.portable
            try add(
                ArchiveManifest.session,
                SparseContent(Descriptor(opening: machinePath + "/" + SandboxDirectory.frozenSessionName)))
            let state = try Descriptor.memory("state")
            try state.write(machine.deviceState)
            try add(ArchiveManifest.state, SparseContent(state))
            let pieces = machine.memory.pieces.map {
                SparseContent.Piece(range: $0.range, file: $0.file, offset: $0.offset)
            }
            add(ArchiveManifest.memory, SparseContent(size: machine.memory.size, pieces: pieces))
        }
        let disk = try SnapshotDisk(in: directory.path)
        add(
            ArchiveManifest.disk,
            SparseContent(
                size: disk.size,
                pieces: disk.pieces.map { .init(range: $0.range, file: $0.file, offset: $0.range.lowerBound) }))
        if record.hasMemory { try addJobs(directory.path + "/" + SnapshotDirectory.jobsName) }
        if let problem = manifest.problem { throw SnapshotArchiveError.unfit(problem) }
    }

    /// Writes all of it. Blocks.
    public func write(to output: Descriptor) throws {
        let writer = try ArchiveWriter { try output.write($0) }
        try writer.begin(try BoundedJSON.encode(manifest))
        for content in contents { try writer.write(try content()) }
        try writer.finish()
    }

    private mutating func add(_ name: String, _ content: SparseContent) {
        manifest.files.append(ArchiveFile(name: name, size: content.size, most: content.most))
        contents.append { content }
    }

    /// The files of jobs may be many, and are opened when it is their turn.
    private mutating func addJobs(_ jobs: String) throws {
        for number in try FileTree.names(in: jobs).compactMap({ Int($0) }).sorted() {
            for (name, _) in ArchivedJobFile.kinds where FileTree.exists("\(jobs)/\(number)/\(name)") {
                let path = "\(jobs)/\(number)/\(name)"
                add(
                    ArchivedJobFile(number: number, name: name).archiveName,
                    try SparseContent(Descriptor(opening: path)))
                contents[contents.count - 1] = { try SparseContent(Descriptor(opening: path)) }
            }
        }
    }
}

extension SnapshotRecord {
    /// The record without what only means something on this host.
    var portable: SnapshotRecord {
        var record = self
        (record.sandbox.kernel, record.sandbox.initramfs) = ("", "")
        return record
    }
}

extension StoredImage {
    /// A digest of what a machine has mounted: the disk's metadata, which says where all is, and the lengths of all parts.
    func diskDigest() throws -> Digest {
        var hasher = ContentHasher(.sha256)
        let parts = try openDisk()
        for part in parts { ArchiveFormat.bytes(part.length).withUnsafeBytes { hasher.update($0) } }
        guard let metadata = parts.first else { return hasher.finish() }
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 1 << 20, alignment: 64)
        defer { buffer.deallocate() }
        var position: Int64 = 0
        while position < metadata.length {
            let count = try metadata.file.read(into: buffer, at: position)
            guard count > 0 else { break }
            hasher.update(UnsafeRawBufferPointer(rebasing: buffer[..<count]))
            position += Int64(count)
        }
        return hasher.finish()
    }
}
