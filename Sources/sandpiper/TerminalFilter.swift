/// Takes out of a stream of foreign bytes what would command a terminal: control characters other than tab and line feed,
/// both those of one byte and those that UTF-8 writes as C2 80 to C2 9F.
struct TerminalFilter {
    private static let lead: UInt8 = 0xC2
    /// Whether the last byte was a ``lead`` that may begin a control character.
    private var isHolding = false

    /// The harmless part of the next bytes; one that may be the first of two is kept back.
    mutating func filter(_ bytes: some Sequence<UInt8>) -> [UInt8] {
        var harmless: [UInt8] = []
        for byte in bytes {
            if isHolding {
                isHolding = false
                if (0x80...0x9F).contains(byte) { continue }
                harmless.append(Self.lead)
            }
            if byte == Self.lead {
                isHolding = true
            } else if byte >= 32 && byte != 127 || byte == UInt8(ascii: "\t") || byte == UInt8(ascii: "\n") {
                harmless.append(byte)
            }
        }
        return harmless
    }
}
