import CISAL
import Glibc
import Hashing
import LinuxSystem
import OCI

/// Compresses with gzip (RFC 1952), always to the same bytes: no name, no time, no operating system.
public enum GzipCompressor {
    /// How much is compressed at once. Part of what makes the bytes the same.
    private static let pieceSize = 1 << 20

    /// Compresses all bytes of a source. Blocks.
    /// - Parameter output: where the compressed bytes are written, from where it stands.
    /// - Returns: what was written, as a layer.
    /// - Throws: ``ImageExportError``.
    public static func compress(
        _ source: any ByteSource, to output: Descriptor
    ) throws(ImageExportError) -> ContentDescriptor {
        guard let encoder = gzip_encoder_make() else { throw .system(SystemError("compress", number: ENOMEM)) }
        defer { gzip_encoder_free(encoder) }
        let input = UnsafeMutableRawBufferPointer.allocate(byteCount: pieceSize, alignment: 64)
        let compressed = UnsafeMutableRawBufferPointer.allocate(byteCount: pieceSize, alignment: 64)
        defer {
            input.deallocate()
            compressed.deallocate()
        }
        var hasher = ContentHasher(.sha256)
        var size: Int64 = 0
        var isLast = false
        while !isLast {
            let count = try source.fill(input)
            isLast = count < input.count
            var left = UInt32(count)
            var ended = false
            while left > 0 || isLast && !ended {
                var room = UInt32(compressed.count)
                let start = UnsafeRawBufferPointer(rebasing: input[(count - Int(left))..<count])
                let result = gzip_encoder_step(
                    encoder, start.bindMemory(to: UInt8.self).baseAddress, &left, isLast ? 1 : 0,
                    compressed.bindMemory(to: UInt8.self).baseAddress, &room)
                guard result == 0 else { throw .system(SystemError("compress", number: EINVAL)) }
                ended = gzip_encoder_is_finished(encoder) != 0
                let bytes = UnsafeRawBufferPointer(rebasing: compressed[..<(compressed.count - Int(room))])
                hasher.update(bytes)
                size += Int64(bytes.count)
                try reporting { () throws(SystemError) in try output.write(bytes) }
            }
        }
        return ContentDescriptor(mediaType: .gzipLayer, digest: hasher.finish(), size: size)
    }
}
