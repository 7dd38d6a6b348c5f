import CZstd
import Glibc
import LinuxSystem

extension TarRecord {
    /// Writes a record front to back while the archive passes.
    struct Writer: ~Copyable, @unchecked Sendable {
        private let file: Descriptor
        // Sound to send: context and buffers are made by this value, freed in its deinit and reachable through nothing
        // else; the value cannot be copied.
        private let context: OpaquePointer
        /// The run being gathered: room for its header, then its literal bytes.
        private let run: UnsafeMutableRawBufferPointer
        private let compressed: UnsafeMutableRawBufferPointer
        private var literals = 0
        private var contentStart: Int64 = 0
        private var contentLength: Int64 = 0
        /// The length of the archive so far.
        private var length: Int64 = 0
        /// Where the next compressed bytes go in the file.
        private var position = Int64(headerSize)

        /// Starts a record in an empty file that is open for writing.
        init(_ file: Descriptor) throws(DiskImageError) {
            guard let context = ZSTD_createCCtx() else { throw .system(SystemError("compress", number: ENOMEM)) }
            for (parameter, value) in [
                (ZSTD_c_compressionLevel, 1), (ZSTD_c_windowLog, windowLog), (ZSTD_c_checksumFlag, 1),
            ] { ZSTD_CCtx_setParameter(context, parameter, value) }
            self.file = file
            self.context = context
            run = .allocate(byteCount: runHeaderSize + maximumLiterals, alignment: 16)
            compressed = .allocate(byteCount: 64 << 10, alignment: 16)
        }

        deinit {
            ZSTD_freeCCtx(context)
            run.deallocate()
            compressed.deallocate()
        }

        /// Takes the next bytes of the archive.
        mutating func add(literal bytes: UnsafeRawBufferPointer) throws(DiskImageError) {
            if contentLength > 0 { try endRun() }
            length += Int64(bytes.count)
            var rest = bytes
            while !rest.isEmpty {
                if literals == maximumLiterals { try endRun() }
                let count = min(rest.count, maximumLiterals - literals)
                UnsafeMutableRawBufferPointer(rebasing: run[(runHeaderSize + literals)...]).copyMemory(
                    from: UnsafeRawBufferPointer(rebasing: rest[..<count]))
                literals += count
                rest = UnsafeRawBufferPointer(rebasing: rest[count...])
            }
        }

        /// Says that the next `count` bytes of the archive, more than 0, stand at `offset` of the data file.
        mutating func add(contentAt offset: Int64, count: Int) throws(DiskImageError) {
            if contentLength > 0, offset != contentStart + contentLength { try endRun() }
            if contentLength == 0 { contentStart = offset }
            contentLength += Int64(count)
            length += Int64(count)
        }

        /// Writes what is left, and the header.
        mutating func finish() throws(DiskImageError) {
            if literals > 0 || contentLength > 0 { try endRun() }
            try compress(UnsafeRawBufferPointer(start: nil, count: 0), ZSTD_e_end)
            run.storeBytes(of: magic.littleEndian, as: UInt64.self)
            run.storeBytes(of: UInt64(version).littleEndian, toByteOffset: 8, as: UInt64.self)
            run.storeBytes(of: length.littleEndian, toByteOffset: 16, as: Int64.self)
            try write(UnsafeRawBufferPointer(rebasing: run[..<headerSize]), at: 0)
        }

        private mutating func endRun() throws(DiskImageError) {
            run.storeBytes(of: UInt64(literals).littleEndian, as: UInt64.self)
            run.storeBytes(of: contentStart.littleEndian, toByteOffset: 8, as: Int64.self)
            run.storeBytes(of: contentLength.littleEndian, toByteOffset: 16, as: Int64.self)
            try compress(UnsafeRawBufferPointer(rebasing: run[..<(runHeaderSize + literals)]), ZSTD_e_continue)
            literals = 0
            contentLength = 0
        }

        private mutating func compress(
            _ bytes: UnsafeRawBufferPointer, _ directive: ZSTD_EndDirective
        ) throws(DiskImageError) {
            var source = ZSTD_inBuffer(src: bytes.baseAddress, size: bytes.count, pos: 0)
            while true {
                var target = ZSTD_outBuffer(dst: compressed.baseAddress, size: compressed.count, pos: 0)
                let left = ZSTD_compressStream2(context, &target, &source, directive)
                guard ZSTD_isError(left) == 0 else { throw .system(SystemError("compress", number: ENOMEM)) }
                try write(UnsafeRawBufferPointer(rebasing: compressed[..<target.pos]), at: position)
                position += Int64(target.pos)
                if directive == ZSTD_e_end ? left == 0 : source.pos == source.size { return }
            }
        }

        private func write(_ bytes: UnsafeRawBufferPointer, at offset: Int64) throws(DiskImageError) {
            do { try file.write(bytes, at: offset) } catch { throw .system(error) }
        }
    }
}
