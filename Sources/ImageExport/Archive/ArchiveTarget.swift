import Glibc
import LinuxSystem

/// Where an archive goes: a pipe, a file or a directory.
///
/// A file or directory is made beside its place, under a hidden name, and gets its own name when it is whole.
public final class ArchiveTarget: Sendable {
    enum Kind {
        case stream(Descriptor)
        case file(temporary: String, path: String)
        case directory(temporary: String, path: String)
    }

    let kind: Kind

    private init(_ kind: Kind) { self.kind = kind }

    deinit { discard() }

    /// Writes to an open file or pipe, from where it stands.
    public static func stream(_ output: Descriptor) -> ArchiveTarget { ArchiveTarget(.stream(output)) }

    /// Makes a file, in place of one that is there; a symbolic link is followed. A device or pipe of this name is
    /// written to.
    /// - Throws: ``ImageExportError``.
    public static func file(_ path: String) throws(ImageExportError) -> ArchiveTarget {
        var status = stat()
        guard stat(path, &status) == 0 else {
            guard errno == ENOENT else { throw .system(SystemError("write", path)) }
            return ArchiveTarget(.file(temporary: hidden(path), path: path))
        }
        switch status.st_mode & S_IFMT {
        case S_IFDIR: throw .isDirectory(path: path)
        case S_IFREG:
            guard let resolved = realpath(path, nil) else { throw .system(SystemError("write", path)) }
            defer { free(resolved) }
            let place = String(cString: resolved)
            return ArchiveTarget(.file(temporary: hidden(place), path: place))
        default:
            return .stream(try reporting { () throws(SystemError) in try Descriptor(opening: path, O_WRONLY) })
        }
    }

    /// Makes a directory. An empty one may be there already.
    /// - Throws: ``ImageExportError/exists(path:)``.
    public static func directory(_ path: String) throws(ImageExportError) -> ArchiveTarget {
        var place = path[...]
        while place.count > 1, place.hasSuffix("/") { place = place.dropLast() }
        if FileTree.exists(String(place)) {
            var status = stat()
            guard lstat(String(place), &status) == 0, status.st_mode & S_IFMT == S_IFDIR,
                try reporting({ () throws(SystemError) in try FileTree.names(in: String(place)) }).isEmpty
            else { throw .exists(path: path) }
        }
        return ArchiveTarget(.directory(temporary: hidden(String(place)), path: String(place)))
    }

    /// Removes what is half-made. May be called at any time and from any thread, as when a signal is to end the process:
    /// whoever is writing then fails. Does nothing when the archive is whole.
    public func discard() {
        switch kind {
        case .stream: break
        case .file(let temporary, _): try? FileTree.removeFile(temporary)
        case .directory(let temporary, _):
            // The writer may add a file while the directory is being emptied.
            for _ in 0..<8 where FileTree.exists(temporary) { try? FileTree.removeTree(temporary) }
        }
    }

    /// Starts the archive.
    func open() throws(ImageExportError) -> any ArchiveSink {
        switch kind {
        case .stream(let output): return TarWriter(output)
        case .file(let temporary, _):
            let flags = O_WRONLY | O_CREAT | O_EXCL
            return TarWriter(
                try reporting { () throws(SystemError) in try Descriptor(opening: temporary, flags, mode: 0o666) })
        case .directory(let temporary, _):
            guard mkdir(temporary, 0o777) == 0 else { throw .system(SystemError("make directory", temporary)) }
            return try DirectoryWriter(temporary)
        }
    }

    /// Gives the archive, which is whole, its name.
    func publish() throws(ImageExportError) {
        switch kind {
        case .stream: break
        case .file(let temporary, let path):
            try reporting { () throws(SystemError) in try FileTree.rename(temporary, to: path) }
        case .directory(let temporary, let path):
            guard rename(temporary, path) == 0 else {
                if errno == ENOTEMPTY || errno == EEXIST || errno == ENOTDIR { throw .exists(path: path) }
                throw .system(SystemError("rename to", path))
            }
        }
    }

    private static func hidden(_ path: String) -> String {
        let start = path.lastIndex(of: "/").map(path.index(after:)) ?? path.startIndex
        // The name may be as long as a name can be.
        let name = String(decoding: path[start...].utf8.prefix(200), as: UTF8.self)
        return "\(path[..<start]).\(name).\(String(UInt64.random(in: .min ... .max), radix: 36))"
    }
}
