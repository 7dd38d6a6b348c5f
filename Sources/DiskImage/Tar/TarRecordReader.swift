import CZstd
import Glibc
import LinuxSystem

extension TarRecord {
    /// Gives back the tar archive that a record was made of, from front to back.
    ///
    /// ```swift
    /// var reader = try TarRecord.Reader(record: record, data: data)
    /// while case let count = try reader.read(into: buffer), count > 0 { use(buffer[..<count]) }
    /// ```
    ///
    /// Whatever is in the two files, a reader gives at most ``length`` bytes and needs less than 2 MiB of memory. Only
    /// the digest of all bytes tells whether they are those that were recorded.
    public struct Reader: ~Copyable, @unchecked Sendable {
        /// The length of the archive in bytes, as the record tells it.
        public let length: Int64

        private let record: Descriptor
        private let data: Descriptor
        // Sound to send: context and buffer are made by this value, freed in its deinit and reachable through nothing
        // else; the value cannot be copied.
        private let context: OpaquePointer
        private let buffer: UnsafeMutableRawBufferPointer
        /// What of the buffer has not been decompressed yet, and where what follows it stands in the file.
        private var unread = 0..<0
        private var position = Int64(headerSize)
        private var frameEnded = false

        /// The bytes given, and what is left of the run.
        private var given: Int64 = 0
        private var literals = 0
        private var contentStart: Int64 = 0
        private var contentLength: Int64 = 0

        /// Begins with a record, and the data file of the same layer. Both can be read at any offset. Blocks.
        /// - Throws: ``DiskImageError/damagedRecord(_:)`` for a file that is no whole record;
        ///   ``DiskImageError/system(_:)``.
        public init(record: Descriptor, data: Descriptor) throws(DiskImageError) {
            var header: (UInt64, UInt64, Int64) = (0, 0, 0)
            let count = try withUnsafeMutableBytes(of: &header) { bytes throws(DiskImageError) in
                try Self.read(record, into: bytes, at: 0)
            }
            guard count == headerSize, UInt64(littleEndian: header.0) == magic,
                UInt64(littleEndian: header.1) == version, Int64(littleEndian: header.2) >= 0
            else { throw .damagedRecord("it does not begin as one") }
            guard let context = ZSTD_createDCtx() else { throw .system(SystemError("decompress", number: ENOMEM)) }
            ZSTD_DCtx_setParameter(context, ZSTD_d_windowLogMax, windowLog)
            length = Int64(littleEndian: header.2)
            self.record = record
            self.data = data
            self.context = context
            buffer = .allocate(byteCount: 64 << 10, alignment: 16)
        }

        deinit {
            ZSTD_freeDCtx(context)
            buffer.deallocate()
        }

        /// Puts the next bytes of the archive into `output`, which is not empty. Blocks.
        /// - Returns: how many there are, at least one; 0 at the end, and then all ``length`` bytes have been given.
        /// - Throws: ``DiskImageError/damagedRecord(_:)``, also when the data file is too short;
        ///   ``DiskImageError/system(_:)``.
        public mutating func read(into output: UnsafeMutableRawBufferPointer) throws(DiskImageError) -> Int {
            if literals == 0, contentLength == 0, try !beginRun() { return 0 }
            let count: Int
            if literals > 0 {
                count = try decompress(into: Self.prefix(output, literals))
                guard count > 0 else { throw .damagedRecord("it ends inside a run") }
                literals -= count
            } else {
                count = try Self.read(data, into: Self.prefix(output, contentLength), at: contentStart)
                guard count > 0 else { throw .damagedRecord("the layer's data file ends too early") }
                contentStart += Int64(count)
                contentLength -= Int64(count)
            }
            given += Int64(count)
            return count
        }

        /// Reads the header of the next run; `false` at the end.
        private mutating func beginRun() throws(DiskImageError) -> Bool {
            var header: (UInt64, Int64, Int64) = (0, 0, 0)
            let count = try withUnsafeMutableBytes(of: &header) { bytes throws(DiskImageError) in
                var filled = 0
                while filled < bytes.count {
                    let count = try decompress(into: UnsafeMutableRawBufferPointer(rebasing: bytes[filled...]))
                    if count == 0 { break }
                    filled += count
                }
                return filled
            }
            if count == 0 {
                guard given == length else { throw .damagedRecord("it is shorter than it says") }
                return false
            }
            let literals = UInt64(littleEndian: header.0)
            let start = Int64(littleEndian: header.1)
            let contentLength = Int64(littleEndian: header.2)
            guard count == runHeaderSize, literals <= maximumLiterals, contentLength >= 0,
                literals > 0 || contentLength > 0
            else { throw .damagedRecord("a run makes no sense") }
            // Going on only ensures that no content is given twice, so that the files bound what comes out.
            guard contentLength == 0 || start >= contentStart, !start.addingReportingOverflow(contentLength).overflow
            else { throw .damagedRecord("a run goes back in the data file") }
            let (bytes, overflow) = contentLength.addingReportingOverflow(Int64(literals))
            guard !overflow, bytes <= length - given else { throw .damagedRecord("it is longer than it says") }
            self.literals = Int(literals)
            self.contentLength = contentLength
            if contentLength > 0 { contentStart = start }
            return true
        }

        /// Puts at least one byte of the frame into `output`, which is not empty; 0 at the end of the frame and file.
        private mutating func decompress(into output: UnsafeMutableRawBufferPointer) throws(DiskImageError) -> Int {
            while true {
                if frameEnded {
                    guard unread.isEmpty, try !refill() else { throw .damagedRecord("something follows it") }
                    return 0
                }
                let bytes = UnsafeMutableRawBufferPointer(rebasing: buffer[unread])
                var source = ZSTD_inBuffer(src: bytes.baseAddress, size: bytes.count, pos: 0)
                var target = ZSTD_outBuffer(dst: output.baseAddress, size: output.count, pos: 0)
                let result = ZSTD_decompressStream(context, &target, &source)
                unread = (unread.lowerBound + source.pos)..<unread.upperBound
                guard ZSTD_isError(result) == 0 else {
                    throw .damagedRecord("zstd: \(String(cString: ZSTD_getErrorName(result)))")
                }
                frameEnded = result == 0
                if target.pos > 0 { return target.pos }
                if unread.isEmpty, !frameEnded, try !refill() { throw .damagedRecord("it ends too early") }
            }
        }

        /// Reads the next piece of the record; `false` at its end.
        private mutating func refill() throws(DiskImageError) -> Bool {
            let count = try Self.read(record, into: buffer, at: position)
            position += Int64(count)
            unread = 0..<count
            return count > 0
        }

        private static func prefix(
            _ output: UnsafeMutableRawBufferPointer, _ count: some BinaryInteger
        ) -> UnsafeMutableRawBufferPointer {
            UnsafeMutableRawBufferPointer(rebasing: output.prefix(Int(clamping: count)))
        }

        private static func read(
            _ file: Descriptor, into output: UnsafeMutableRawBufferPointer, at offset: Int64
        ) throws(DiskImageError) -> Int {
            do { return try file.read(into: output, at: offset) } catch { throw .system(error) }
        }
    }
}
