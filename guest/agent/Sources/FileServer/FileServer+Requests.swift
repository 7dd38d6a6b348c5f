import CFileSystem
import FileProtocol
import Glibc
import TreeArchive

/// What each request does.
extension FileServer {
    /// Carries a request out.
    /// - Returns: `nil` when the response comes later.
    func carryOut(_ request: FileRequest, _ id: UInt32) throws(FileCallError) -> FileResponse? {
        switch request {
        case .status(let path, let follows):
            return .status(FileStatus(try tree.locate(path, followsLinks: follows).status()))
        case .fileSystem(let path): return .fileSystem(try fileSystem(path))
        case .openDirectory(let path):
            try open(id) { () throws(FileCallError) in .directory(try DirectoryPages(try tree.openDirectory(path))) }
        case .nextEntries(let handle):
            guard case .directory(let listing) = items[handle] else { throw Self.notOpen }
            return .entries(try listing.next())
        case .openFile(let path, let offset, let length):
            let file = try tree.openFile(path, O_RDONLY)
            let status = try file.status()
            try open(id) { () throws(FileCallError) in
                .reading(try FileReading(file, offset: offset, length: length))
            }
            return .status(FileStatus(status))
        case .nextBytes(let handle, let count):
            guard case .reading(let producer) = items[handle] else { throw Self.notOpen }
            return .bytes(try producer.next(min(max(Int(count), 1), FileFrame.maximumContent)))
        case .createFile(let path, let options):
            try open(id) { () throws(FileCallError) in .writing(try FileWriting(path, options, in: tree)) }
        case .openArchive(let path, let name, let follows):
            return .status(try openArchive(path, name: name, followsLinks: follows, id))
        case .extractArchive(let path, let options):
            let directory = try tree.openDirectory(path)
            try open(id) { .writing(ArchiveWriting(into: directory, options)) }
        case .write(let handle, let bytes):
            guard case .writing(let consumer) = items[handle] else { throw Self.notOpen }
            try consumer.write(bytes)
        case .finish(let handle):
            guard case .writing(let consumer) = items.removeValue(forKey: handle) else { throw Self.notOpen }
            try consumer.finish()
        case .close(let handle):
            try close(handle)
        case .makeDirectory(let path, let mode, let parents): try makeDirectory(path, mode, parents: parents)
        case .move(let path, let newPath, let replaces): try move(path, to: newPath, replaces: replaces)
        case .copy(let path, let newPath, let replaces):
            try TreeCopy.copy(try tree.place(of: path), to: try tree.place(of: newPath), replaces: replaces)
        case .remove(let path, let recursive):
            let place = try tree.place(of: path)
            try TreeRemoval.remove(place.name, in: place.directory, recursive: recursive)
        case .truncate(let path, let length):
            let file = try tree.openFile(path, O_WRONLY)
            guard let length = Int64(exactly: length) else { throw FileCallError("set the length", code: EFBIG) }
            try FileCallError.check("set the length of \(text(path))") { ftruncate(file.number, off_t(length)) }
        case .link(let path, let newPath):
            let (old, new) = (try tree.place(of: path), try tree.place(of: newPath))
            try FileCallError.check("link \(text(newPath))") {
                linkat(old.directory.number, cText(old.name), new.directory.number, cText(new.name), 0)
            }
        case .symbolicLink(let target, let path):
            let place = try tree.place(of: path)
            try FileCallError.check("link \(text(path))") {
                symlinkat(cText(target), place.directory.number, cText(place.name))
            }
        case .readLink(let path):
            let place = try tree.place(of: path)
            return .bytes(try place.directory.target(of: place.name))
        case .watch(let path, let recursive):
            try open(id) { () throws(FileCallError) in
                .watch(try TreeWatch(path, in: tree, recursive: recursive))
            }
        case .nextEvents(let handle): return try nextEvents(handle, id)
        default: return try carryOutOnAttributes(request, id)
        }
        return .done
    }

    func text(_ path: GuestPath) -> String { FileCallError.text(path.bytes) }

    private func fileSystem(_ path: GuestPath) throws(FileCallError) -> FileSystemStatus {
        let place = try tree.locate(path)
        var status = statvfs()
        try FileCallError.check("look at the file system of \(text(path))") { fstatvfs(place.number, &status) }
        let unit = UInt64(status.f_frsize)
        func bytes(_ blocks: UInt64) -> UInt64 {
            let (product, overflow) = blocks.multipliedReportingOverflow(by: unit)
            return overflow ? .max : product
        }
        return FileSystemStatus(
            size: bytes(UInt64(status.f_blocks)), free: bytes(UInt64(status.f_bfree)),
            available: bytes(UInt64(status.f_bavail)), files: UInt64(status.f_files),
            freeFiles: UInt64(status.f_ffree), isReadOnly: UInt64(status.f_flag) & 1 != 0)
    }

    private func makeDirectory(_ path: GuestPath, _ mode: UInt16, parents: Bool) throws(FileCallError) {
        guard parents else {
            let place = try tree.place(of: path)
            try FileCallError.check("make the directory \(text(path))") {
                mkdirat(place.directory.number, cText(place.name), mode_t(mode))
            }
            return
        }
        var prefix: [UInt8] = [UInt8(ascii: "/")]
        var current = try tree.openDirectory(.root)
        for name in path.bytes.split(separator: UInt8(ascii: "/")) where !name.elementsEqual(".".utf8) {
            prefix += name
            guard let here = GuestPath(bytes: prefix) else { throw FileCallError("make it", code: ENAMETOOLONG) }
            let made = mkdirat(current.number, cText(name), mode_t(mode))
            if made < 0 && errno != EEXIST && errno != EROFS {
                throw FileCallError("make the directory \(text(here))", code: errno)
            }
            // Resolved from the root again, since a link may be on the way.
            current = try tree.openDirectory(here)
            prefix.append(UInt8(ascii: "/"))
        }
    }

    private func move(_ path: GuestPath, to newPath: GuestPath, replaces: Bool) throws(FileCallError) {
        let (old, new) = (try tree.place(of: path), try tree.place(of: newPath))
        let attempt = "move \(text(path)) to \(text(newPath))"
        do throws(FileCallError) {
            try FileCallError.check(attempt) {
                replaces
                    ? renameat(old.directory.number, cText(old.name), new.directory.number, cText(new.name))
                    : files_rename_new(old.directory.number, cText(old.name), new.directory.number, cText(new.name))
            }
        } catch {
            guard error.code == EXDEV else { throw error }
            try TreeCopy.copy(old, to: new, replaces: replaces)
            try TreeRemoval.remove(old.name, in: old.directory, recursive: true)
        }
    }
}
