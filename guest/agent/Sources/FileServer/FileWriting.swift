import CFileSystem
import FileProtocol
import Glibc
import TreeArchive

/// A regular file that is being written.
final class FileWriting: ByteConsumer {
    private let file: OpenFile
    private let place: GuestTree.Place?
    private let temporary: [UInt8]?
    private let synchronizes: Bool
    private var offset: Int64
    private var isFinished = false

    /// Opens or makes the file, links followed unless it must be new.
    init(_ path: GuestPath, _ options: WriteOptions, in tree: GuestTree) throws(FileCallError) {
        synchronizes = options.synchronizes
        offset = options.disposition == .keep ? Int64(clamping: options.offset) : 0
        switch options.disposition {
        case .replaceAtomically:
            let place = try tree.finalPlace(of: path)
            self.place = place
            (file, temporary) = try Self.makeTemporary(for: place, mode: options.mode)
        case .truncate, .keep:
            (place, temporary) = (nil, nil)
            file = try Self.openOrMake(path, options, in: tree)
        case .mustNotExist:
            temporary = nil
            let place = try tree.place(of: path)
            self.place = place
            file = try Self.make(place.name, in: place.directory, mode: options.mode)
        }
    }

    deinit {
        guard !isFinished, let place, let temporary else { return }
        // What was to replace the file is incomplete; nothing can be done if it cannot be removed.
        unlinkat(place.directory.number, cText(temporary), 0)
    }

    func write(_ bytes: [UInt8]) throws(FileCallError) {
        guard offset <= Int64.max - Int64(bytes.count) else { throw FileCallError("write it", code: EFBIG) }
        try file.write(bytes[...], at: offset)
        offset += Int64(bytes.count)
    }

    func finish() throws(FileCallError) {
        if synchronizes { try FileCallError.check("bring it to the disk") { fsync(file.number) } }
        if let place, let temporary {
            try FileCallError.check("put \(FileCallError.text(place.name)) in its place") {
                renameat(place.directory.number, cText(temporary), place.directory.number, cText(place.name))
            }
        }
        isFinished = true
        if synchronizes, let place {
            try FileCallError.check("bring its name to the disk") { fsync(place.directory.number) }
        }
    }

    private static func make(
        _ name: [UInt8], in directory: OpenFile, mode: UInt16
    ) throws(FileCallError) -> OpenFile {
        let file = try directory.open(name, O_WRONLY | O_CREAT | O_EXCL, mode: mode_t(mode & 0o777))
        // Neither the umask nor open(2)'s view of the special bits counts.
        if mode > 0o777 { try FileCallError.check("set its mode") { fchmod(file.number, mode_t(mode)) } }
        return file
    }

    private static func openOrMake(
        _ path: GuestPath, _ options: WriteOptions, in tree: GuestTree
    ) throws(FileCallError) -> OpenFile {
        do throws(FileCallError) {
            return try tree.openFile(path, O_WRONLY | (options.disposition == .truncate ? O_TRUNC : 0))
        } catch {
            guard error.code == ENOENT else { throw error }
        }
        let place = try tree.finalPlace(of: path)
        return try make(place.name, in: place.directory, mode: options.mode)
    }

    /// Makes the file that will take the place of another, with the other's mode and owner.
    private static func makeTemporary(
        for place: GuestTree.Place, mode: UInt16
    ) throws(FileCallError) -> (OpenFile, [UInt8]) {
        var old: stat?
        do throws(FileCallError) { old = try place.directory.status(of: place.name) } catch {
            guard error.code == ENOENT else { throw error }
        }
        if let old { try GuestTree.requireFile(old, place.name) }
        let name = Array(".sandpiper-\(String(UInt64.random(in: .min ... .max), radix: 36))".utf8)
        let file = try place.directory.open(name, O_WRONLY | O_CREAT | O_EXCL, mode: 0o600)
        if let old {
            // A user who may not give files away becomes the owner, as with any editor that saves this way.
            _ = fchown(file.number, old.st_uid, old.st_gid)
        }
        do throws(FileCallError) {
            try FileCallError.check("set its mode") {
                fchmod(file.number, old.map { $0.st_mode & 0o7777 } ?? mode_t(mode))
            }
        } catch {
            unlinkat(place.directory.number, cText(name), 0)
            throw error
        }
        return (file, name)
    }
}
