/// Checksums of tar headers, which a random change breaks and which would keep it from every parser behind them.
public enum TarChecksums {
    private static let block = 512
    private static let field = 148..<156

    /// The archive with the right checksum in every block whose checksum field begins with a digit of octal.
    ///
    /// That changes a few bytes of content too, which mean nothing.
    public static func mended(_ archive: some Collection<UInt8>) -> [UInt8] {
        var bytes = Array(archive)
        for start in stride(from: 0, to: bytes.count - block + 1, by: block) {
            let place = start + field.lowerBound..<start + field.upperBound
            guard (UInt8(ascii: "0")...UInt8(ascii: "7")).contains(bytes[place.lowerBound]) else { continue }
            for index in place { bytes[index] = UInt8(ascii: " ") }
            var sum = bytes[start..<start + block].reduce(0) { $0 + Int($1) }
            for index in place.prefix(6).reversed() {
                bytes[index] = UInt8(ascii: "0") + UInt8(sum & 7)
                sum >>= 3
            }
            bytes[place.lowerBound + 6] = 0
        }
        return bytes
    }
}
