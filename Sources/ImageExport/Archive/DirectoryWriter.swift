import Glibc
import LinuxSystem

/// Writes the files of an archive into a directory.
final class DirectoryWriter: ArchiveSink {
    private let root: Descriptor
    private let copier = ByteCopier()

    /// Writes into an empty directory.
    init(_ path: String) throws(ImageExportError) {
        root = try reporting { () throws(SystemError) in try Descriptor(opening: path, O_RDONLY | O_DIRECTORY) }
    }

    func addDirectory(_ path: String) throws(ImageExportError) {
        guard mkdirat(root.rawValue, path, 0o777) == 0 else { throw .system(SystemError("make directory", path)) }
    }

    func addFile(_ path: String, size: Int64, from source: any ByteSource) throws(ImageExportError) {
        let file = try reporting { () throws(SystemError) in
            try Descriptor(opening: path, O_WRONLY | O_CREAT | O_EXCL, mode: 0o666, at: root)
        }
        try copier.copy(source, size: size, to: file, name: path)
    }

    func finish() {}
}
