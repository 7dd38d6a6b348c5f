import Compression

/// Decompresses bytes, given whole and given in pieces, which must come to the same.
@c(LLVMFuzzerTestOneInput)
public func fuzzCompression(_ bytes: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
    let input = UnsafeRawBufferPointer(start: bytes, count: count)
    let whole = Outcome(input, piece: max(1, count), step: 64 << 10)
    let pieces = Outcome(input, piece: 7, step: 97)
    if whole.end == .whole || pieces.end == .whole {
        precondition(whole == pieces, "pieces make another content than the whole")
    }
    let common = min(whole.content.count, pieces.content.count)
    precondition(whole.content[..<common] == pieces.content[..<common], "pieces begin otherwise than the whole")
    return 0
}

/// What comes out of a decompressor.
private struct Outcome: Equatable {
    enum End { case whole, refused, tooLong }

    private(set) var content: [UInt8] = []
    private(set) var end = End.whole

    private static let limit = 1 << 20

    init(_ bytes: UnsafeRawBufferPointer, piece: Int, step: Int) {
        let input = ByteInput(name: "input") { buffer, offset throws(CompressionError) in
            let count = min(piece, buffer.count, bytes.count - Int(offset))
            buffer.copyMemory(from: UnsafeRawBufferPointer(rebasing: bytes[Int(offset)...].prefix(count)))
            return count
        }
        do {
            let prefix = try input.peek(Compression.prefixLength)
            let decompressor = try Compression(detecting: prefix, of: "input").decompress(input, windowLog: 20)
            var output = [UInt8](repeating: 0, count: step)
            while content.count <= Self.limit {
                let count = try output.withUnsafeMutableBytes { try decompressor.read(into: $0) }
                if count == 0 { return }
                content += output[..<count]
            }
            end = .tooLong
        } catch { end = .refused }
    }
}
