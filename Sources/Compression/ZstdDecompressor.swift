import CZstd
import Glibc

/// Decompresses zstd (RFC 8878), one frame after the other. Nothing else may follow.
public final class ZstdDecompressor: Decompressor {
    private let input: ByteInput
    private let windowLog: Int32
    // Made in init, freed in deinit, used by one thread at a time.
    private let context: OpaquePointer
    private var inFrame = true

    /// Decompresses `input`.
    public init(_ input: ByteInput, windowLog: Int32) throws(CompressionError) {
        guard let context = ZSTD_createDCtx() else { throw .system(.init("decompress", input.name, number: ENOMEM)) }
        _ = ZSTD_DCtx_setParameter(context, ZSTD_d_windowLogMax, windowLog)
        self.input = input
        self.windowLog = windowLog
        self.context = context
    }

    deinit { ZSTD_freeDCtx(context) }

    /// Fills `output` with at least one byte; 0 at the end of the input, which was whole then.
    public func read(into output: UnsafeMutableRawBufferPointer) throws(CompressionError) -> Int {
        while true {
            let bytes = try input.available()
            if bytes.isEmpty, !inFrame { return 0 }
            var source = ZSTD_inBuffer(src: bytes.baseAddress, size: bytes.count, pos: 0)
            var target = ZSTD_outBuffer(dst: output.baseAddress, size: output.count, pos: 0)
            let result = ZSTD_decompressStream(context, &target, &source)
            input.consume(source.pos)
            guard ZSTD_isError(result) == 0 else { throw failure(result) }
            inFrame = result != 0
            if target.pos > 0 { return target.pos }
            if bytes.isEmpty, inFrame { throw .damaged(input.name, reason: "its zstd data ends too early") }
        }
    }

    private func failure(_ result: Int) -> CompressionError {
        switch ZSTD_getErrorCode(result) {
        case ZSTD_error_frameParameter_windowTooLarge:
            return .windowTooLarge(input.name, windowLog: windowLog)
        case ZSTD_error_memory_allocation:
            return .system(.init("decompress", input.name, number: ENOMEM))
        default:
            return .damaged(input.name, reason: "zstd: \(String(cString: ZSTD_getErrorName(result)))")
        }
    }
}
