/// Gives the uncompressed bytes of an input.
public protocol Decompressor {
    /// Fills `output`, which is not empty, with at least one byte; 0 at the end of the input, which was whole then.
    func read(into output: UnsafeMutableRawBufferPointer) throws(CompressionError) -> Int
}

/// How something is compressed, told by its first bytes: labels in archives are often wrong, and digests decide anyway.
public enum Compression: Equatable, Sendable {
    /// Not at all.
    case none
    /// By gzip (RFC 1952).
    case gzip
    /// By zstd (RFC 8878).
    case zstd

    /// How many bytes ``init(detecting:of:)`` wants to see.
    public static let prefixLength = 10

    /// Tells it by the first bytes of what is called `name`.
    /// - Throws: ``CompressionError/damaged(_:reason:)`` when it is compressed in a way that is not understood.
    public init(detecting prefix: [UInt8], of name: String) throws(CompressionError) {
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
    /// - Parameter windowLog: the binary logarithm of the memory in bytes that a zstd stream may want, 10...31.
    public func decompress(_ input: ByteInput, windowLog: Int32) throws(CompressionError) -> any Decompressor {
        switch self {
        case .none: PlainBytes(input)
        case .gzip: try GzipDecompressor(input)
        case .zstd: try ZstdDecompressor(input, windowLog: windowLog)
        }
    }
}

/// Bytes that are not compressed.
public struct PlainBytes: Decompressor {
    private let input: ByteInput

    /// Passes the bytes of `input` on.
    public init(_ input: ByteInput) { self.input = input }

    /// Fills as much of `output` as is there.
    public func read(into output: UnsafeMutableRawBufferPointer) throws(CompressionError) -> Int {
        let bytes = try input.available()
        let count = min(bytes.count, output.count)
        output.copyMemory(from: UnsafeRawBufferPointer(rebasing: bytes[..<count]))
        input.consume(count)
        return count
    }
}
