/// The digest of some content, for example `sha256:` and 64 lower-case hexadecimal digits.
///
/// OCI image specification, "Descriptors", section "Digests".
public struct Digest: Hashable, Sendable {
    /// A registered algorithm.
    public enum Algorithm: String, Sendable, CaseIterable {
        case sha256
        case sha512

        /// How many hexadecimal digits a digest has.
        public var hexCount: Int {
            switch self {
            case .sha256: 64
            case .sha512: 128
            }
        }
    }

    /// How the content was hashed.
    public let algorithm: Algorithm
    /// The hash, in lower-case hexadecimal digits.
    public let hex: String

    /// Reads `algorithm:hex`.
    /// - Throws: ``OCIError/invalidDigest(_:)``.
    public init(_ text: String) throws(OCIError) {
        let parts = text.utf8.split(separator: UInt8(ascii: ":"), maxSplits: 1, omittingEmptySubsequences: false)
        guard parts.count == 2, let name = parts.first, let hex = parts.last,
            let algorithm = Algorithm(rawValue: String(decoding: name, as: UTF8.self)),
            hex.count == algorithm.hexCount, hex.allSatisfy(\.isLowerHexDigit)
        else { throw .invalidDigest(text) }
        self.algorithm = algorithm
        self.hex = String(decoding: hex, as: UTF8.self)
    }

    /// The digest with these raw bytes; `nil` when their number is not the algorithm's.
    public init?(_ algorithm: Algorithm, bytes: some Collection<UInt8>) {
        guard bytes.count * 2 == algorithm.hexCount else { return nil }
        let digits = Array("0123456789abcdef".utf8)
        self.algorithm = algorithm
        hex = String(
            decoding: bytes.flatMap { [digits[Int($0 >> 4)], digits[Int($0 & 15)]] }, as: UTF8.self)
    }
}

extension Digest: CustomStringConvertible {
    /// `algorithm:hex`.
    public var description: String { "\(algorithm.rawValue):\(hex)" }

    /// The first 12 hexadecimal digits, as tables show them.
    public var short: String { String(hex.prefix(12)) }
}

extension Digest: Codable {
    /// Reads the text form.
    public init(from decoder: any Decoder) throws { try self.init(String(from: decoder)) }

    /// Writes the text form.
    public func encode(to encoder: any Encoder) throws { try description.encode(to: encoder) }
}

extension UInt8 {
    var isLowerHexDigit: Bool { isDigit || (UInt8(ascii: "a")...UInt8(ascii: "f")).contains(self) }
    var isDigit: Bool { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(self) }
    var isLowerLetter: Bool { (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(self) }
    var isUpperLetter: Bool { (UInt8(ascii: "A")...UInt8(ascii: "Z")).contains(self) }
}
