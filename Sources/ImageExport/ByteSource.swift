import Compression
import DiskImage
import Hashing
import LinuxSystem
import OCI

/// Bytes that are read once, from front to back, by one thread at a time.
public protocol ByteSource: AnyObject {
    /// Fills `output`, which is not empty, with at least one byte; 0 at the end. Blocks.
    /// - Throws: ``ImageExportError``, at the end also when the bytes were not those they should have been.
    func read(into output: UnsafeMutableRawBufferPointer) throws(ImageExportError) -> Int
}

extension ByteSource {
    /// Fills `output`; fewer bytes only at the end.
    func fill(_ output: UnsafeMutableRawBufferPointer) throws(ImageExportError) -> Int {
        var filled = 0
        while filled < output.count {
            let count = try read(into: UnsafeMutableRawBufferPointer(rebasing: output[filled...]))
            if count == 0 { break }
            filled += count
        }
        return filled
    }
}

/// Bytes in memory.
final class MemoryBytes: ByteSource {
    private let bytes: [UInt8]
    private var position = 0

    init(_ bytes: [UInt8]) { self.bytes = bytes }

    func read(into output: UnsafeMutableRawBufferPointer) -> Int {
        let count = min(output.count, bytes.count - position)
        output.copyBytes(from: bytes[position..<position + count])
        position += count
        return count
    }
}

/// A file from its start to its end, wherever its position is.
final class FileBytes: ByteSource {
    private let file: Descriptor
    private var position: Int64 = 0

    init(_ file: Descriptor) { self.file = file }

    func read(into output: UnsafeMutableRawBufferPointer) throws(ImageExportError) -> Int {
        let count = try reporting { () throws(SystemError) in try file.read(into: output, at: position) }
        position += Int64(count)
        return count
    }
}

/// The tar archive that a record and a data file give.
final class RecordedBytes: ByteSource {
    private let name: String
    private var reader: TarRecord.Reader

    init(record: Descriptor, data: Descriptor, name: String) throws(ImageExportError) {
        self.name = name
        reader = try reporting(name) { () throws(DiskImageError) in
            try TarRecord.Reader(record: record, data: data)
        }
    }

    var length: Int64 { reader.length }

    func read(into output: UnsafeMutableRawBufferPointer) throws(ImageExportError) -> Int {
        try reporting(name) { () throws(DiskImageError) in try reader.read(into: output) }
    }
}

/// A compressed file, decompressed.
final class DecompressedBytes: ByteSource {
    private let name: String
    private let decompressor: any Decompressor

    init(_ file: Descriptor, name: String) throws(ImageExportError) {
        self.name = name
        decompressor = try reporting(name) { () throws(CompressionError) in
            let input = ByteInput(name: name) { buffer, offset throws(CompressionError) in
                do throws(SystemError) { return try file.read(into: buffer, at: offset) } catch { throw .system(error) }
            }
            // Its window was small enough when the layer came in; 2^31 bytes is the format's own bound.
            return try Compression(detecting: input.peek(Compression.prefixLength), of: name).decompress(
                input, windowLog: 31)
        }
    }

    func read(into output: UnsafeMutableRawBufferPointer) throws(ImageExportError) -> Int {
        try reporting(name) { () throws(CompressionError) in try decompressor.read(into: output) }
    }
}

/// Bytes that must have a digest: those of another source, which are refused at the end if they do not.
final class CheckedBytes: ByteSource {
    private let source: any ByteSource
    private let name: String
    private let expected: Digest
    private var hasher: ContentHasher

    init(_ source: any ByteSource, digest: Digest, name: String) {
        self.source = source
        self.name = name
        expected = digest
        hasher = ContentHasher(digest.algorithm)
    }

    func read(into output: UnsafeMutableRawBufferPointer) throws(ImageExportError) -> Int {
        let count = try source.read(into: output)
        guard count == 0 else {
            hasher.update(UnsafeRawBufferPointer(rebasing: output[..<count]))
            return count
        }
        let found = hasher.finish()
        guard found == expected else { throw .damaged(name, reason: "its digest is \(found), not \(expected)") }
        return 0
    }
}
