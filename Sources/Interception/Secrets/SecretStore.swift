import InterceptionProtocol
import LinuxSystem
import TrafficInspection

/// The secrets of one sandbox. Their values lie in locked memory and are lent to whoever writes a request.
final class SecretStore: Sendable {
    /// How a value is written.
    enum Escaping {
        case none
        /// Everything but unreserved characters as `%XX` (RFC 3986 section 2.1).
        case percent
        /// The inside of a string (RFC 8259 section 7).
        case json
    }

    /// The secrets without their values.
    let descriptions: [SecretDescription]
    /// Finds their placeholders.
    let scanner: PlaceholderScanner
    private let values: ReceivedSecrets

    /// Takes the values out of a file, which holds nothing afterwards.
    /// - Throws: `InterceptionError` naming a secret whose value cannot be sent where it shall, `SystemError` when memory
    ///   cannot be locked.
    init(_ descriptions: [SecretDescription], values file: Descriptor?) throws {
        self.descriptions = descriptions
        scanner = PlaceholderScanner(descriptions.map { Array($0.placeholder.utf8) })
        values =
            if let file { try ReceivedSecrets(takenFrom: file, count: descriptions.count) } else {
                try ReceivedSecrets()
            }
        guard file != nil || descriptions.isEmpty else { throw InterceptionError.wrongDescriptors(0) }
        for (index, description) in descriptions.enumerated() {
            try values.withValue(index) { try Self.check(description, $0) }
        }
    }

    private static func check(_ secret: SecretDescription, _ value: UnsafeRawBufferPointer) throws(InterceptionError) {
        let inLine = secret.places.contains(.headers) || secret.places.contains(.basic)
        if inLine, value.contains(where: { $0 < 32 && $0 != 9 || $0 == 127 }) {
            throw .badSecret(
                secret.name, "its value has a line break or control character, which no header field can carry")
        }
        // Header fields of HTTP/2 are texts here, and so are strings of JSON.
        guard isText(value) else { throw .badSecret(secret.name, "its value is not text (UTF-8)") }
    }

    private static func isText(_ bytes: UnsafeRawBufferPointer) -> Bool {
        var decoder = UTF8()
        var iterator = bytes.makeIterator()
        while true {
            switch decoder.decode(&iterator) {
            case .scalarValue: continue
            case .emptyInput: return true
            case .error: return false
            }
        }
    }

    /// The text with each placeholder that `hits` names replaced.
    func replacing(_ hits: [PlaceholderScanner.Hit], in text: [UInt8], _ escaping: Escaping) -> [UInt8] {
        guard !hits.isEmpty else { return text }
        let growth = hits.reduce(0) { $0 + values.length($1.index) * (escaping == .none ? 1 : 6) }
        var result: [UInt8] = []
        // Grown once: an array that moves leaves a copy behind.
        result.reserveCapacity(text.count + growth)
        var position = 0
        for hit in hits where hit.start >= position {
            result += text[position..<hit.start]
            values.withValue(hit.index) { Self.append($0, escaping, to: &result) }
            position = hit.start + scanner.placeholders[hit.index].count
        }
        result += text[position...]
        return result
    }

    private static func append(_ value: UnsafeRawBufferPointer, _ escaping: Escaping, to result: inout [UInt8]) {
        let digits = Array("0123456789ABCDEF".utf8)
        switch escaping {
        case .none: result.append(contentsOf: value)
        case .percent:
            for byte in value {
                switch byte {
                case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                    UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "."), UInt8(ascii: "_"),
                    UInt8(ascii: "~"):
                    result.append(byte)
                default: result += [UInt8(ascii: "%"), digits[Int(byte >> 4)], digits[Int(byte & 15)]]
                }
            }
        case .json:
            for byte in value {
                switch byte {
                case UInt8(ascii: "\""), UInt8(ascii: "\\"): result += [UInt8(ascii: "\\"), byte]
                case 0..<32:
                    result += Array("\\u00".utf8) + [digits[Int(byte >> 4)], digits[Int(byte & 15)]]
                default: result.append(byte)
                }
            }
        }
    }
}
