/// Gives the uncompressed bytes of an input.
protocol Decompressor {
    /// Fills `output`, which is not empty, with at least one byte; 0 at the end of the input, which was whole then.
    func read(into output: UnsafeMutableRawBufferPointer) throws(ImageImportError) -> Int
}

/// How something is compressed, told by its first bytes: labels in archives are often wrong, and digests decide anyway.
enum Compression: Equatable {
    case none
    case gzip
    case zstd

    /// How many bytes ``init(detecting:of:)`` wants to see.
    static let prefixLength = 10

    init(detecting prefix: [UInt8], of name: String) throws(ImageImportError) {
        if prefix.starts(with: [0x1f, 0x8b]) {
            self = .gzip
        } else if prefix.starts(with: [0x28, 0xb5, 0x2f, 0xfd]) || Self.isSkippableFrame(prefix) {
            self = .zstd
        } else if prefix.starts(with: [0xfd, 0x37, 0x7a, 0x58, 0x5a, 0]) {
            throw .damaged(name, reason: "it is compressed with xz, only gzip and zstd are understood")
        } else if prefix.starts(with: "BZh".utf8),
            prefix.dropFirst(4).elementsEqual([0x31, 0x41, 0x59, 0x26, 0x53, 0x59])
        {
            throw .damaged(name, reason: "it is compressed with bzip2, only gzip and zstd are understood")
        } else {
            self = .none
        }
    }

    /// RFC 8878, section 3.1.2: such frames may come before the first with content.
    private static func isSkippableFrame(_ prefix: [UInt8]) -> Bool {
        guard let first = prefix.first else { return false }
        return first & 0xf0 == 0x50 && prefix.dropFirst().starts(with: [0x2a, 0x4d, 0x18])
    }

    /// Makes a decompressor.
    func decompress(_ input: ByteInput, _ limits: ImportLimits) throws(ImageImportError) -> any Decompressor {
        switch self {
        case .none: PlainBytes(input)
        case .gzip: try GzipDecompressor(input)
        case .zstd: try ZstdDecompressor(input, windowLog: limits.zstdWindowLog)
        }
    }
}

/// Bytes that are not compressed.
struct PlainBytes: Decompressor {
    private let input: ByteInput

    init(_ input: ByteInput) { self.input = input }

    func read(into output: UnsafeMutableRawBufferPointer) throws(ImageImportError) -> Int {
        let bytes = try input.available()
        let count = min(bytes.count, output.count)
        output.copyMemory(from: UnsafeRawBufferPointer(rebasing: bytes[..<count]))
        input.consume(count)
        return count
    }
}
