import CFileSystem
import Glibc
import TreeArchive

/// Copies files and trees within the sandbox, with all that they are.
struct TreeCopy {
    private struct Identity: Hashable {
        let device: UInt64
        let inode: UInt64

        init(_ status: stat) {
            device = UInt64(status.st_dev)
            inode = UInt64(status.st_ino)
        }
    }

    /// Hard links whose other names are remembered; beyond that they become files of their own.
    private static let mostLinks = 1_000_000

    private let target: GuestTree.Place
    private var directories: [OpenFile] = []
    private var linked: [Identity: [UInt8]] = [:]
    private var root: OpenFile?
    private var made: Identity?

    /// Copies what is at one place to another, whose name must be free or, with `replaces`, be a file's that gives way
    /// to a file.
    static func copy(
        _ source: GuestTree.Place, to target: GuestTree.Place, replaces: Bool
    ) throws(FileCallError) {
        let status = try source.directory.status(of: source.name)
        if replaces, status.st_mode & S_IFMT != S_IFDIR {
            if let old = try? target.directory.status(of: target.name) {
                guard Identity(old) != Identity(status) else {
                    throw FileCallError(
                        "copy \(FileCallError.text(source.name))", code: EINVAL, detail: "it is the same file")
                }
            }
            // A directory does not give way.
            if unlinkat(target.directory.number, cText(target.name), 0) < 0 && errno != ENOENT {
                throw FileCallError("replace \(FileCallError.text(target.name))", code: errno)
            }
        }
        var copy = TreeCopy(target)
        try copy.run(source)
    }

    private init(_ target: GuestTree.Place) { self.target = target }

    private mutating func run(_ source: GuestTree.Place) throws(FileCallError) {
        var walk = TreeWalk(of: source.name, in: source.directory)
        while let step = try walk.next() {
            switch step {
            case .entry(let entry):
                let directory = directories.last ?? target.directory
                let name = entry.path.isEmpty ? target.name : entry.name
                guard Identity(entry.status) != made else {
                    throw FileCallError(
                        "copy \(FileCallError.text(source.name))", code: EINVAL,
                        detail: "the copy would be inside what is copied")
                }
                guard try copy(entry, to: name, in: directory) else { continue }
                try walk.descend(into: entry)
            case .leave(let entry):
                guard let directory = directories.popLast() else { continue }
                try Self.copyAttributes(of: entry, to: directory)
            }
        }
    }

    /// Copies one thing.
    /// - Returns: whether it is a directory, to be filled now.
    private mutating func copy(
        _ entry: TreeWalk.Entry, to name: [UInt8], in directory: OpenFile
    ) throws(FileCallError) -> Bool {
        let status = entry.status
        let kind = status.st_mode & S_IFMT
        let attempt = "copy \(FileCallError.text(entry.path.isEmpty ? entry.name : entry.path))"
        if kind == S_IFDIR {
            try FileCallError.check(attempt) { mkdirat(directory.number, cText(name), 0o700) }
            let copy = try directory.open(name, O_RDONLY | O_DIRECTORY)
            if root == nil {
                root = copy
                made = Identity(try copy.status())
            }
            directories.append(copy)
            return true
        }
        if let first = linked[Identity(status)], let root {
            let slash = first.lastIndex(of: UInt8(ascii: "/"))
            let parent = try root.directory(first[..<(slash ?? 0)])
            try FileCallError.check(attempt) {
                linkat(
                    parent.number, cText(first[(slash.map { $0 + 1 } ?? 0)...]), directory.number, cText(name), 0)
            }
            return false
        }
        switch kind {
        case S_IFREG:
            let source = try entry.parent.open(entry.name, O_RDONLY | O_NONBLOCK | O_NOCTTY)
            let found = try source.status()
            try GuestTree.requireFile(found, entry.name)
            let copy = try directory.open(name, O_WRONLY | O_CREAT | O_EXCL, mode: 0o600)
            try Self.copyContent(source, length: Int64(found.st_size), to: copy)
            try Self.copyAttributes(of: entry, to: copy)
        case S_IFLNK:
            let link = try entry.parent.target(of: entry.name)
            try FileCallError.check(attempt) { symlinkat(cText(link), directory.number, cText(name)) }
            try Self.copyAttributes(of: entry, to: try directory.open(name, files_open_path))
        default:
            let device = UInt64(status.st_rdev)
            try FileCallError.check(attempt) {
                files_make_node(
                    directory.number, cText(name), kind | 0o600, files_device_major(device), files_device_minor(device))
            }
            try Self.copyAttributes(of: entry, to: try directory.open(name, files_open_path))
        }
        if status.st_nlink > 1 && linked.count < Self.mostLinks { linked[Identity(status)] = entry.path }
        return false
    }

    /// Copies the pieces that hold data; the rest stays a hole.
    private static func copyContent(_ source: OpenFile, length: Int64, to copy: OpenFile) throws(FileCallError) {
        try FileCallError.check("set a copy's length") { ftruncate(copy.number, off_t(length)) }
        var position: Int64 = 0
        while position < length {
            let data = files_seek_data(source.number, position)
            if data < 0 && errno == ENXIO { return }
            let start = data < 0 ? position : data
            let hole = data < 0 ? length : files_seek_hole(source.number, start)
            let end = hole < 0 ? length : min(hole, length)
            position = start
            while position < end {
                let count = files_copy_range(
                    source.number, position, copy.number, position, Int(min(end - position, 1 << 26)))
                if count > 0 {
                    position += Int64(count)
                    continue
                }
                if count < 0 && errno == EINTR { continue }
                // Not every file system can copy within the kernel; and the file may have become shorter.
                let bytes = try source.read(Int(min(end - position, 1 << 18)), at: position)
                if bytes.isEmpty { return }
                try copy.write(bytes[...], at: position)
                position += Int64(bytes.count)
            }
        }
    }

    /// Gives a copy the original's attributes; owner before mode, since changing it clears bits of the mode.
    private static func copyAttributes(of entry: TreeWalk.Entry, to copy: OpenFile) throws(FileCallError) {
        let status = entry.status
        let attempt = "keep what \(FileCallError.text(entry.path.isEmpty ? entry.name : entry.path)) is"
        if geteuid() == 0 {
            try FileCallError.check(attempt) {
                fchownat(copy.number, "", status.st_uid, status.st_gid, files_empty_path)
            }
        }
        let original = try entry.parent.open(entry.name, files_open_path)
        for name in try ExtendedAttributeList.names(of: original) {
            do throws(FileCallError) {
                try ExtendedAttributeList.set(name, to: try ExtendedAttributeList.value(of: name, original), of: copy)
            } catch {
                // Some attributes are the kernel's to give, and some file systems have none.
                guard [EPERM, EOPNOTSUPP, ENODATA, EACCES].contains(error.code) else { throw error }
            }
        }
        if status.st_mode & S_IFMT != S_IFLNK {
            try FileCallError.check(attempt) { chmod(copy.procPath, status.st_mode & 0o7777) }
        }
        try FileCallError.check(attempt) {
            files_set_times(
                copy.number, "", 3, Int64(status.st_atim.tv_sec), UInt32(clamping: status.st_atim.tv_nsec),
                Int64(status.st_mtim.tv_sec), UInt32(clamping: status.st_mtim.tv_nsec))
        }
    }
}
