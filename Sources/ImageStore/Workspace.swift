import Glibc
import LinuxSystem
import OCI
import Synchronization

/// A directory in the store for half-made things, removed when its last reference goes.
///
/// Its lock tells other processes that its maker lives. What a killed process leaves is removed by
/// ``ImageStore/sweep()``.
public final class Workspace: Sendable {
    let layout: StoreLayout
    private let lock: FileLock
    /// Held while something is made here or moved away, so that a removal at that moment leaves nothing.
    private let inMotion = Mutex(())

    /// The directory's path.
    public var path: String { layout.root }

    /// Makes an empty directory. The caller holds the store's lock, so that no sweep sees it without its lock.
    fileprivate init(in temporary: String) throws(SystemError) {
        let name = String(UInt64.random(in: .min ... .max), radix: 36)
        layout = StoreLayout(root: "\(temporary)/\(name)")
        guard mkdir(layout.root, 0o700) == 0 else { throw SystemError("make directory", layout.root) }
        guard let lock = try FileLock.attempt(layout.lock) else {
            throw SystemError("lock", layout.lock, number: EWOULDBLOCK)
        }
        self.lock = lock
    }

    deinit { discard() }

    /// Removes the directory and all in it. Files that are open stay readable.
    /// - Parameter end: done before anything can be made here again; for whoever ends the process.
    public func discard(then end: () -> Void = {}) {
        undisturbed {
            // What cannot be removed now, the next sweep removes.
            try? FileTree.removeTree(layout.root)
            end()
        }
    }

    /// Does something that no ``discard(then:)`` may interrupt.
    func undisturbed<Result: Sendable, Failure>(_ body: () throws(Failure) -> Result) throws(Failure) -> Result {
        try inMotion.withLock { _ throws(Failure) in try body() }
    }

    /// An open file without a name, gone when it is closed.
    public func anonymousFile() throws(ImageStoreError) -> Descriptor {
        try reporting { () throws(SystemError) in
            try undisturbed { () throws(SystemError) in
                let path = "\(layout.root)/\(UInt64.random(in: .min ... .max)).spool"
                let file = try Descriptor(opening: path, O_RDWR | O_CREAT | O_EXCL)
                try FileTree.removeFile(path)
                return file
            }
        }
    }

    /// Makes the empty data file of a layer, open for reading and writing. An earlier one is replaced.
    public func makeLayerData(_ diffID: Digest) throws(ImageStoreError) -> Descriptor {
        try makeFile(layout.layerData(diffID), in: layout.layer(diffID))
    }

    /// Makes the empty file for a layer as it comes, compressed. An earlier one is replaced.
    public func makeLayerArchive(_ diffID: Digest) throws(ImageStoreError) -> Descriptor {
        try makeFile(layout.layerArchive(diffID), in: layout.layer(diffID))
    }

    /// Says what the file of ``makeLayerArchive(_:)`` holds, now that it is whole.
    public func finishLayerArchive(_ descriptor: ContentDescriptor, of diffID: Digest) throws(ImageStoreError) {
        let path = layout.layerArchiveDescriptor(diffID)
        let bytes: [UInt8]
        do { bytes = try BoundedJSON.encode(descriptor) } catch { throw .damaged(path, reason: "\(error)") }
        try write(bytes, to: path, in: layout.layer(diffID))
    }

    /// Removes the file of ``makeLayerArchive(_:)``.
    public func removeLayerArchive(_ diffID: Digest) throws(ImageStoreError) {
        try reporting { () throws(SystemError) in try FileTree.removeFile(layout.layerArchive(diffID)) }
    }

    /// Makes the empty file for the record of a layer's tar archive. An earlier one is replaced.
    public func makeLayerRecord(_ diffID: Digest) throws(ImageStoreError) -> Descriptor {
        try makeFile(layout.layerRecord(diffID), in: layout.layer(diffID))
    }

    /// Writes the index of a layer, which finishes the layer.
    public func writeLayerIndex(_ index: [UInt8], of diffID: Digest) throws(ImageStoreError) {
        try write(index, to: layout.layerIndex(diffID), in: layout.layer(diffID))
    }

    /// Whether the layer is here and finished.
    public func hasLayer(_ diffID: Digest) -> Bool { FileTree.exists(layout.layerIndex(diffID)) }

    /// Makes the empty metadata file of a disk, open for reading and writing. An earlier one is replaced.
    public func makeMetadata(_ chain: Digest) throws(ImageStoreError) -> Descriptor {
        try makeFile(layout.metadata(chain), in: layout.disk(chain))
    }

    func write(_ bytes: [UInt8], to path: String, in directory: String) throws(ImageStoreError) {
        let file = try makeFile(path, in: directory)
        try reporting { () throws(SystemError) in
            try file.write(bytes)
            try file.synchronize()
        }
    }

    private func makeFile(_ path: String, in directory: String) throws(ImageStoreError) -> Descriptor {
        try reporting { () throws(SystemError) in
            try undisturbed { () throws(SystemError) in
                try FileTree.makeDirectory(directory)
                return try Descriptor(opening: path, O_RDWR | O_CREAT | O_TRUNC)
            }
        }
    }
}

extension ImageStore {
    /// Makes a directory for half-made things.
    public func makeWorkspace() throws(ImageStoreError) -> Workspace {
        let lock = try locked(.shared)
        defer { withExtendedLifetime(lock) {} }
        return try makeWorkspaceUnderLock()
    }

    func makeWorkspaceUnderLock() throws(ImageStoreError) -> Workspace {
        try reporting { () throws(SystemError) in try Workspace(in: layout.temporary) }
    }

    /// Removes what killed processes left: their workspaces, and what they had published of an image that is not whole.
    ///
    /// Quick when there is nothing to do.
    public func sweep() throws(ImageStoreError) {
        let names = try reporting { () throws(SystemError) in try FileTree.names(in: layout.temporary) }
        if names.isEmpty { return }
        let lock = try locked(.exclusive)
        defer { withExtendedLifetime(lock) {} }
        var stale: [(path: String, lock: FileLock)] = []
        for path in names.map({ "\(layout.temporary)/\($0)" }) {
            do throws(SystemError) {
                if let lock = try FileLock.attempt(path + "/lock") { stale.append((path, lock)) }
            } catch {
                // Its maker has just removed it.
                if error.number != ENOENT { throw .system(error) }
            }
        }
        if stale.isEmpty { return }
        // A workspace is the sign that something may lie about, so it goes last.
        try collectGarbage(into: makeWorkspaceUnderLock())
        try reporting { () throws(SystemError) in
            for (path, _) in stale { try FileTree.removeTree(path) }
        }
    }
}
