import Compression
import DiskImage
import Glibc
import ImageStore
import LinuxSystem
import OCI

/// Where an archive comes from.
public enum ArchiveInput: Sendable {
    /// A file, pipe, or directory in OCI layout.
    case path(String)
    /// An open file or pipe, read from where it stands.
    case stream(Descriptor)
}

/// The files of an archive by their names.
enum ArchiveFiles {
    case tar(Descriptor, TarListing)
    case directory(Descriptor)

    /// Looks at what is there.
    ///
    /// A plain tar file is read in place; anything else goes, uncompressed, into a file without a name in the workspace
    /// first, since an archive may name its parts before or after they come.
    static func open(
        _ input: ArchiveInput, workspace: Workspace, limits: ImportLimits, cancellation: Cancellation
    ) throws(ImageImportError) -> ArchiveFiles {
        let file: Descriptor
        let name: String
        switch input {
        case .path(let path):
            file = try reporting { () throws(SystemError) in try Descriptor(opening: path) }
            name = path
        case .stream(let stream):
            file = stream
            name = "the archive"
        }
        let status = try reporting { () throws(SystemError) in try file.status() }
        let type = status.st_mode & S_IFMT
        if type == S_IFDIR { return .directory(file) }

        let isPlainFile = type == S_IFREG && lseek(file.rawValue, 0, SEEK_CUR) == 0
        let stream = ByteInput(name: name) { buffer, _ throws(CompressionError) in
            try cancellation.check()
            do throws(SystemError) { return try file.read(into: buffer) } catch { throw .system(error) }
        }
        let prefix = try reporting { () throws(CompressionError) in try stream.peek(Compression.prefixLength) }
        guard !prefix.isEmpty else { throw .notAnArchive(reason: "it is empty") }
        let compression = try reporting { () throws(CompressionError) in try Compression(detecting: prefix, of: name) }
        if compression == .none, isPlainFile { return try list(file, limits) }
        let spool = try reporting { () throws(ImageStoreError) in try workspace.anonymousFile() }
        let content = try reporting { () throws(CompressionError) in
            try compression.decompress(stream, windowLog: limits.zstdWindowLog)
        }
        try copy(content, to: spool, limits)
        return try list(spool, limits)
    }

    private static func list(_ file: Descriptor, _ limits: ImportLimits) throws(ImageImportError) -> ArchiveFiles {
        do {
            return .tar(
                file,
                try TarListing(
                    of: file, maximumEntries: limits.archiveEntries, maximumNameBytes: limits.archiveNameBytes))
        } catch {
            switch error {
            case .system(let error): throw .system(error)
            case .layerLimit(let what, let name): throw .archiveLimit(what, name: name)
            case .truncated(let place): throw .damaged("the archive", reason: "it ends inside \(place)")
            case .malformed(let reason, let offset) where offset > 0:
                throw .damaged("the archive", reason: "\(reason), at byte \(offset)")
            case .malformed(let reason, _): throw .notAnArchive(reason: reason)
            default: throw .notAnArchive(reason: "\(error)")
            }
        }
    }

    private static func copy(
        _ source: any Decompressor, to file: Descriptor, _ limits: ImportLimits
    ) throws(ImageImportError) {
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 1 << 20, alignment: 64)
        defer { buffer.deallocate() }
        var total: Int64 = 0
        while true {
            let count = try reporting { () throws(CompressionError) in try source.read(into: buffer) }
            if count == 0 { return }
            total += Int64(count)
            guard total <= limits.archiveBytes else {
                throw .limit("the archive", name: "archiveBytes", value: "\(limits.archiveBytes)")
            }
            try reporting { () throws(SystemError) in
                try file.write(UnsafeRawBufferPointer(rebasing: buffer[..<count]))
            }
        }
    }

    /// The file of this name, links inside the archive followed; `nil` when there is none.
    func region(_ name: String) throws(ImageImportError) -> FileRegion? {
        switch self {
        case .tar(let file, let listing):
            return listing.content(of: name).map {
                FileRegion(file: file, offset: $0.offset, length: $0.length, name: name)
            }
        case .directory(let directory):
            let file: Descriptor
            do { file = try Descriptor(opening: name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK, at: directory) } catch {
                if error.number == ENOENT { return nil }
                throw .system(error)
            }
            let status = try reporting { () throws(SystemError) in try file.status() }
            guard status.st_mode & S_IFMT == S_IFREG else { return nil }
            return FileRegion(file: file, offset: 0, length: Int64(status.st_size), name: name)
        }
    }

    /// The content of a JSON document; `nil` when there is no such file.
    func document(_ name: String) throws(ImageImportError) -> [UInt8]? {
        guard let region = try region(name) else { return nil }
        guard region.length <= BoundedJSON.maximumSize else {
            throw .limit(name, name: "maximumSize of a JSON document", value: "\(BoundedJSON.maximumSize) bytes")
        }
        var bytes = [UInt8](repeating: 0, count: Int(region.length))
        var count = 0
        while count < bytes.count {
            let read = bytes.withUnsafeMutableBytes { buffer in
                Result { () throws(CompressionError) in
                    try region.read(into: UnsafeMutableRawBufferPointer(rebasing: buffer[count...]), at: Int64(count))
                }
            }
            count += try reporting { () throws(CompressionError) in try read.get() }
        }
        return bytes
    }
}

extension IncomingImage {
    /// Reads what an archive holds, whichever kind it is of. Archives of both kinds at once, as newer versions of Docker
    /// write them, are read as OCI layouts.
    static func readAll(
        in files: ArchiveFiles, for platform: Platform, _ limits: ImportLimits
    ) throws(ImageImportError) -> [IncomingImage] {
        if let layout = try OCILayout(files, for: platform) { return try layout.images(limits) }
        if case .directory = files { throw .notAnArchive(reason: "the directory has no index.json") }
        if let archive = try DockerArchive(files) { return try archive.images(for: platform, limits) }
        throw .notAnArchive(reason: "it has neither index.json nor manifest.json")
    }
}
