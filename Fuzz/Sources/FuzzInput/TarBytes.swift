/// Tar archives, written as the ustar dialect has them.
public enum TarBytes {
    static let block = 512
    private static let checksum = 148..<156

    /// The end of an archive.
    public static let end = [UInt8](repeating: 0, count: 2 * block)

    /// A regular file. Of its name the first 100 bytes count.
    public static func entry(_ name: [UInt8], _ content: [UInt8]) -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: block)
        func set(_ offset: Int, _ field: some Sequence<UInt8>) {
            for (index, byte) in field.enumerated() { bytes[offset + index] = byte }
        }
        set(0, name.prefix(100))
        set(100, "0000644\0000000000\0000000000\0".utf8)
        set(124, octal(content.count, digits: 11))
        set(136, octal(0, digits: 11))
        set(156, "0".utf8)
        set(257, "ustar\u{0}00".utf8)
        mendChecksum(in: &bytes, at: 0)
        return bytes + content + [UInt8](repeating: 0, count: (block - content.count % block) % block)
    }

    /// The archive with the right checksum in every block whose checksum field begins with a digit of octal: a random
    /// change breaks it, and would keep the archive from every parser behind the header's.
    ///
    /// That changes a few bytes of content too, which mean nothing.
    public static func mended(_ archive: some Collection<UInt8>) -> [UInt8] {
        var bytes = Array(archive)
        for start in stride(from: 0, to: bytes.count - block + 1, by: block) {
            let first = bytes[start + checksum.lowerBound]
            if (UInt8(ascii: "0")...UInt8(ascii: "7")).contains(first) { mendChecksum(in: &bytes, at: start) }
        }
        return bytes
    }

    private static func mendChecksum(in bytes: inout [UInt8], at start: Int) {
        let field = start + checksum.lowerBound..<start + checksum.upperBound
        for index in field { bytes[index] = UInt8(ascii: " ") }
        let sum = bytes[start..<start + block].reduce(0) { $0 + Int($1) }
        bytes.replaceSubrange(field.prefix(7), with: octal(sum, digits: 6) + [0])
    }

    private static func octal(_ number: Int, digits: Int) -> [UInt8] {
        (0..<digits).reversed().map { UInt8(ascii: "0") + UInt8(number >> (3 * $0) & 7) }
    }
}
