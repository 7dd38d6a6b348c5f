import CFileSystem
import FileProtocol
import Glibc
import TreeArchive

/// The sandbox's files as a client names them: every path is resolved by the kernel below the root, so that neither
/// `..` nor an absolute link nor a magic link of /proc leads out, and nothing is opened before it is known what it is.
struct GuestTree {
    /// The sandbox's root.
    let root: OpenFile

    /// Links that are followed from one to the next, as the kernel has it.
    private static let mostLinks = 40

    /// Where a name is: its directory, which may be read from, and the name in it.
    struct Place {
        let directory: OpenFile
        let name: [UInt8]
    }

    /// Finds what a path means, without opening it for reading or writing: a fifo is not waited for, a device not
    /// touched.
    func locate(_ path: GuestPath, followsLinks: Bool = true) throws(FileCallError) -> OpenFile {
        let flags = files_open_path | (followsLinks ? 0 : O_NOFOLLOW)
        return OpenFile(
            owning: try FileCallError.check("find \(FileCallError.text(path.bytes))") {
                files_open_in_root(root.number, cText(path.bytes), flags, 0)
            })
    }

    /// Opens a directory for reading.
    func openDirectory(_ path: GuestPath) throws(FileCallError) -> OpenFile {
        OpenFile(
            owning: try FileCallError.check("open the directory \(FileCallError.text(path.bytes))") {
                files_open_in_root(root.number, cText(path.bytes), O_RDONLY | O_DIRECTORY | O_NONBLOCK, 0)
            })
    }

    /// Opens a regular file, links followed.
    func openFile(_ path: GuestPath, _ flags: Int32) throws(FileCallError) -> OpenFile {
        let place = try locate(path)
        try Self.requireFile(try place.status(), path.bytes)
        return try place.reopen(flags)
    }

    /// Makes sure that something is a regular file.
    static func requireFile(_ status: stat, _ path: [UInt8]) throws(FileCallError) {
        switch status.st_mode & S_IFMT {
        case S_IFREG: return
        case S_IFDIR: throw FileCallError("open \(FileCallError.text(path))", code: EISDIR)
        default:
            throw FileCallError(
                "open \(FileCallError.text(path))", code: EINVAL,
                detail: "\(FileCallError.text(path)) is not a regular file")
        }
    }

    /// The directory of a path's last name, and that name: where something is to be made, renamed or removed.
    func place(of path: GuestPath) throws(FileCallError) -> Place {
        var rest = path.bytes[...]
        while rest.last == UInt8(ascii: "/") { rest.removeLast() }
        let start = (rest.lastIndex(of: UInt8(ascii: "/")) ?? rest.startIndex - 1) + 1
        let name = Array(rest[start...])
        guard !name.isEmpty, name != Array(".".utf8), name != Array("..".utf8) else {
            throw FileCallError(
                "change \(FileCallError.text(path.bytes))", code: EBUSY,
                detail: "\(FileCallError.text(path.bytes)) does not end with a name that could be changed")
        }
        guard let directory = GuestPath(bytes: start == rest.startIndex ? [UInt8(ascii: "/")] : rest[..<start]) else {
            throw FileCallError("find \(FileCallError.text(path.bytes))", code: ENAMETOOLONG)
        }
        return Place(directory: try openDirectory(directory), name: name)
    }

    /// The same for what the path leads to when its last name is a symbolic link, even one to nothing.
    func finalPlace(of path: GuestPath) throws(FileCallError) -> Place {
        var path = path
        for _ in 0..<Self.mostLinks {
            let place = try place(of: path)
            let target: [UInt8]
            do throws(FileCallError) { target = try place.directory.target(of: place.name) } catch {
                // Nothing there, or no link.
                if error.code == ENOENT || error.code == EINVAL { return place }
                throw error
            }
            let directory = path.bytes[..<(path.bytes.lastIndex(of: UInt8(ascii: "/")).map { $0 + 1 } ?? 0)]
            guard let next = GuestPath(bytes: target.first == UInt8(ascii: "/") ? target : directory + target) else {
                throw FileCallError("follow \(FileCallError.text(path.bytes))", code: ENAMETOOLONG)
            }
            path = next
        }
        throw FileCallError("follow \(FileCallError.text(path.bytes))", code: ELOOP)
    }
}

extension FileStatus {
    /// What the kernel says, as the protocol has it.
    init(_ status: stat) {
        let kind: Kind =
            switch status.st_mode & S_IFMT {
            case S_IFDIR: .directory
            case S_IFLNK: .symbolicLink
            case S_IFIFO: .fifo
            case S_IFSOCK: .socket
            case S_IFCHR: .characterDevice
            case S_IFBLK: .blockDevice
            default: .file
            }
        let isDevice = kind == .characterDevice || kind == .blockDevice
        self.init(
            kind: kind, mode: UInt16(truncatingIfNeeded: status.st_mode), owner: status.st_uid, group: status.st_gid,
            size: UInt64(clamping: status.st_size), allocated: UInt64(clamping: status.st_blocks) &* 512,
            links: UInt64(status.st_nlink), inode: UInt64(status.st_ino), device: UInt64(status.st_dev),
            deviceNumber: isDevice
                ? (files_device_major(UInt64(status.st_rdev)), files_device_minor(UInt64(status.st_rdev))) : (0, 0),
            accessed: FileTime(status.st_atim), modified: FileTime(status.st_mtim), changed: FileTime(status.st_ctim))
    }
}

extension FileTime {
    fileprivate init(_ time: timespec) {
        self.init(seconds: Int64(time.tv_sec), nanoseconds: UInt32(clamping: time.tv_nsec))
    }
}
