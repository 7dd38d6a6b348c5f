import FuzzInput
import Glibc
import ImageImport
import ImageStore
import LinuxSystem

/// Loads an archive into an empty store. What is refused leaves nothing behind; what is accepted is there, is the same when
/// it is loaded again, and goes without leaving anything behind.
@c(LLVMFuzzerTestOneInput)
public func fuzzImageArchive(_ bytes: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
    let archive = ArchiveText(UnsafeBufferPointer(start: bytes, count: count)).archive
    do {
        let store = EmptyStore.shared.store
        if let loaded = load(archive, into: store) {
            precondition(!loaded.isEmpty, "an archive without an image is accepted")
            precondition(loaded == load(archive, into: store), "the same archive is loaded differently")
            let stored = try store.images()
            precondition(Set(stored.map(\.digest)) == Set(loaded.map(\.digest)), "other images are there than loaded")
            for image in stored {
                _ = try image.configuration
                _ = try image.openDisk()
                _ = try store.remove(image.digest.description, force: true)
            }
        }
        EmptyStore.shared.check()
    } catch { fatalError("the store: \(error)") }
    return 0
}

/// `nil` when the archive is refused.
private func load(_ archive: [UInt8], into store: ImageStore) -> [LoadedImage]? {
    var limits = ImportLimits()
    limits.archiveEntries = 16
    limits.layerBytes = 1 << 20
    limits.layer.entries = 256
    limits.layer.dataBytes = 1 << 20
    limits.layer.indexBytes = 1 << 20
    do {
        let workspace = try store.makeWorkspace()
        defer { workspace.discard() }
        return try ImageImporter(store: store, limits: limits).load(.stream(MemoryFile.make(archive)), in: workspace)
    } catch ImageImportError.system(let error) {
        fatalError("the system: \(error)")
    } catch ImageImportError.store(let error) {
        fatalError("the store: \(error)")
    } catch { return nil }
}

/// A store in a temporary directory that goes with the process.
private struct EmptyStore {
    static let shared = EmptyStore()

    let store: ImageStore
    private let home: String

    private init() {
        let parent = getenv("TMPDIR").map { String(cString: $0) } ?? "/tmp"
        var template = Array("\(parent)/store.XXXXXX".utf8CString)
        guard let path = template.withUnsafeMutableBufferPointer({ $0.baseAddress.flatMap { mkdtemp($0) } }) else {
            fatalError("\(SystemError("make directory", parent))")
        }
        home = String(cString: path)
        do { store = try ImageStore(home: home) } catch { fatalError("the store: \(error)") }
        atexit { try? FileTree.removeTree(EmptyStore.shared.home) }
    }

    /// Nothing may be there but the store's own directories and its lock.
    func check() {
        for directory in ["blobs/sha256", "blobs/sha512", "disks", "images", "layers", "references", "tmp"] {
            let names = try? FileTree.names(in: "\(home)/store/\(directory)")
            precondition(names == [], "left behind in \(directory)")
        }
    }
}
