import CFileSystem
import Glibc
import Tar

/// Turns a file or tree into a tar archive, piece by piece, with modes, owners, times, extended attributes and hard
/// links. Links are archived as links and never followed; sockets are left out; holes come out as zeros.
///
/// A file that changes while it is read is cut, or filled with zeros, to the length it had when its turn came.
public final class TreeArchiver {
    /// Hard links whose other names are remembered; beyond that they become files of their own.
    private static let mostLinks = 1_000_000
    /// Attributes that are about the file system they are on and mean nothing on another.
    private static let omitted = ["trusted.overlay.", "security.selinux", "security.ima", "security.evm"]

    private struct Identity: Hashable {
        let device: UInt64
        let inode: UInt64
    }

    private struct OpenContent {
        let file: OpenFile
        let size: Int64
        var offset: Int64 = 0
    }

    private let rootName: [UInt8]
    private var walk: TreeWalk
    private var links: [Identity: [UInt8]] = [:]
    private var content: OpenContent?
    private var ready: [UInt8] = []
    private var position = 0
    private var length: Int64 = 0
    private var isOver = false

    /// Archives what has a name in a directory.
    /// - Parameters:
    ///   - name: its name, a single component; `.` means the directory itself.
    ///   - rootName: what it is called in the archive.
    public init(of name: [UInt8], in parent: OpenFile, named rootName: [UInt8]) {
        walk = TreeWalk(of: name, in: parent)
        self.rootName = rootName
    }

    /// The next bytes of the archive.
    /// - Parameter count: at most so many, at least 1.
    /// - Returns: none at the end.
    public func next(_ count: Int) throws(FileCallError) -> [UInt8] {
        while ready.count - position < count && !isOver {
            if position > 0 {
                ready.removeFirst(position)
                position = 0
            }
            try advance(count)
        }
        let part = Array(ready[position..<min(ready.count, position + count)])
        position += part.count
        return part
    }

    private func advance(_ count: Int) throws(FileCallError) {
        if var open = content {
            content = nil
            let wanted = Int(min(Int64(max(count, 65_536)), open.size - open.offset))
            var bytes = try open.file.read(wanted, at: open.offset)
            if bytes.count < wanted { bytes += [UInt8](repeating: 0, count: wanted - bytes.count) }
            emit(bytes)
            open.offset += Int64(wanted)
            if open.offset < open.size { content = open } else { emit(TarEncoder.padding(open.size)) }
            return
        }
        switch try walk.next() {
        case .entry(let entry): try add(entry)
        case .leave: break
        case nil:
            emit(TarEncoder.end(after: length))
            isOver = true
        }
    }

    private func emit(_ bytes: [UInt8]) {
        ready += bytes
        length &+= Int64(bytes.count)
    }

    private func add(_ found: TreeWalk.Entry) throws(FileCallError) {
        var status = found.status
        let name = found.path.isEmpty ? rootName : rootName + [UInt8(ascii: "/")] + found.path
        var entry = TarEntry(
            name: name, kind: .file, mode: UInt16(truncatingIfNeeded: status.st_mode & 0o7777), owner: status.st_uid,
            group: status.st_gid, modified: (Int64(status.st_mtim.tv_sec), UInt32(clamping: status.st_mtim.tv_nsec)))
        var file: OpenFile?
        let device = UInt64(status.st_rdev)
        switch status.st_mode & S_IFMT {
        case S_IFDIR: entry.kind = .directory
        case S_IFLNK: entry.kind = .symbolicLink(target: try found.parent.target(of: found.name))
        case S_IFIFO: entry.kind = .fifo
        case S_IFCHR:
            entry.kind = .characterDevice(major: files_device_major(device), minor: files_device_minor(device))
        case S_IFBLK: entry.kind = .blockDevice(major: files_device_major(device), minor: files_device_minor(device))
        case S_IFREG:
            let opened = try found.parent.open(found.name, O_RDONLY | O_NONBLOCK | O_NOCTTY)
            status = try opened.status()
            // What has become something else since is as if it were gone.
            guard status.st_mode & S_IFMT == S_IFREG else { return }
            file = opened
            entry.size = Int64(status.st_size)
        default: return
        }
        if status.st_mode & S_IFMT != S_IFDIR && status.st_nlink > 1 {
            let identity = Identity(device: UInt64(status.st_dev), inode: UInt64(status.st_ino))
            if let first = links[identity] {
                entry.kind = .hardLink(target: first)
                entry.size = 0
                return emit(TarEncoder.header(entry))
            }
            if links.count < Self.mostLinks { links[identity] = name }
        }
        entry.attributes = try attributes(of: found)
        emit(TarEncoder.header(entry))
        if let file, entry.size > 0 { content = OpenContent(file: file, size: entry.size) }
        if case .directory = entry.kind { try walk.descend(into: found) }
    }

    private func attributes(of found: TreeWalk.Entry) throws(FileCallError) -> [TarEntry.Attribute] {
        let file = try found.parent.open(found.name, files_open_path)
        var attributes: [TarEntry.Attribute] = []
        for name in try ExtendedAttributeList.names(of: file) {
            guard !Self.omitted.contains(where: { name.starts(with: $0.utf8) }) else { continue }
            do throws(FileCallError) {
                attributes.append(.init(name: name, value: try ExtendedAttributeList.value(of: name, file)))
            } catch {
                // Gone since, or not ours to see.
                guard [ENODATA, EOPNOTSUPP, EPERM, EACCES].contains(error.code) else { throw error }
            }
        }
        return attributes
    }
}
