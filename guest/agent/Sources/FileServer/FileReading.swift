import Glibc
import TreeArchive

/// A part of a regular file on its way to the client.
final class FileReading: ByteProducer {
    private let file: OpenFile
    private var offset: Int64
    private var left: Int64

    /// Reads at most `length` bytes from `offset` on.
    init(_ file: OpenFile, offset: UInt64, length: UInt64) throws(FileCallError) {
        guard let offset = Int64(exactly: offset) else { throw FileCallError("read it", code: EINVAL) }
        self.file = file
        self.offset = offset
        left = min(Int64(clamping: length), Int64.max - offset)
    }

    func next(_ count: Int) throws(FileCallError) -> [UInt8] {
        let count = min(Int64(count), left)
        guard count > 0 else { return [] }
        let bytes = try file.read(Int(count), at: offset)
        offset += Int64(bytes.count)
        left = bytes.isEmpty ? 0 : left - Int64(bytes.count)
        return bytes
    }
}
