import CISAL
import Glibc

/// Inflates gzip (RFC 1952), one member after the other, each with its checksum. Nothing else may follow.
public final class GzipDecompressor: Decompressor {
    private let input: ByteInput
    // Made in init, freed in deinit, used by one thread at a time.
    private let state: UnsafeMutablePointer<inflate_state>
    private var inMember = false

    /// Decompresses `input`.
    public init(_ input: ByteInput) throws(CompressionError) {
        guard let state = gzip_decoder_make() else { throw .system(.init("inflate", input.name, number: ENOMEM)) }
        self.input = input
        self.state = state
    }

    deinit { gzip_decoder_free(state) }

    /// Fills `output` with at least one byte; 0 at the end of the input, which was whole then.
    public func read(into output: UnsafeMutableRawBufferPointer) throws(CompressionError) -> Int {
        while true {
            let bytes = try input.available()
            if !inMember {
                if bytes.isEmpty { return 0 }
                gzip_decoder_begin_member(state)
                inMember = true
            }
            let capacity = UInt32(clamping: output.count)
            var inputLeft = UInt32(clamping: bytes.count)
            var outputLeft = capacity
            let result = gzip_decoder_step(
                state, bytes.bindMemory(to: UInt8.self).baseAddress, &inputLeft,
                output.bindMemory(to: UInt8.self).baseAddress, &outputLeft)
            let used = bytes.count - Int(inputLeft)
            input.consume(used)
            // Positive results say that input or output ran out.
            guard result >= 0 else { throw .damaged(input.name, reason: Self.reason(result)) }
            let finished = gzip_decoder_is_finished(state) != 0
            if finished { inMember = false }
            if outputLeft < capacity { return Int(capacity - outputLeft) }
            if finished { continue }
            guard !bytes.isEmpty else { throw .damaged(input.name, reason: "its gzip data ends too early") }
            guard used > 0 else { throw .damaged(input.name, reason: "its gzip data makes no sense") }
        }
    }

    private static func reason(_ result: Int32) -> String {
        switch result {
        case ISAL_INVALID_WRAPPER: "no gzip header where one must be"
        case ISAL_UNSUPPORTED_METHOD: "an unknown gzip method"
        case ISAL_INCORRECT_CHECKSUM: "its gzip checksum is wrong"
        default: "its gzip data makes no sense"
        }
    }
}
