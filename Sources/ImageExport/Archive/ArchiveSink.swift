import LinuxSystem

/// Takes the files of an archive, in the order they come.
protocol ArchiveSink: AnyObject {
    /// Adds a directory; a path without a slash at its end.
    func addDirectory(_ path: String) throws(ImageExportError)

    /// Adds a file of exactly `size` bytes, which `source` gives.
    func addFile(_ path: String, size: Int64, from source: any ByteSource) throws(ImageExportError)

    /// Ends the archive.
    func finish() throws(ImageExportError)
}

extension ArchiveSink {
    /// Adds a file.
    func addFile(_ path: String, _ bytes: [UInt8]) throws(ImageExportError) {
        try addFile(path, size: Int64(bytes.count), from: MemoryBytes(bytes))
    }
}

/// Passes the bytes of sources on to descriptors.
final class ByteCopier {
    // Owned by this object from init to deinit.
    private let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 1 << 20, alignment: 4096)

    deinit { buffer.deallocate() }

    /// Writes exactly `size` bytes of `source` to `output`, and sees the source's end.
    /// - Parameter name: what it is, for messages.
    func copy(
        _ source: any ByteSource, size: Int64, to output: Descriptor, name: String
    ) throws(ImageExportError) {
        var left = size
        while case let count = try source.fill(buffer), count > 0 {
            left -= Int64(count)
            guard left >= 0 else { throw .damaged(name, reason: "it is longer than \(size) bytes") }
            try reporting { () throws(SystemError) in
                try output.write(UnsafeRawBufferPointer(rebasing: buffer[..<count]))
            }
        }
        guard left == 0 else { throw .damaged(name, reason: "it has \(size - left) bytes, not \(size)") }
    }
}
