/// The identity of one sandbox: 20 characters of `[a-z0-9]`, about 103 random bits.
public struct SandboxID: Hashable, Sendable, CustomStringConvertible {
    /// Characters in an id.
    public static let length = 20

    /// The id as text.
    public let description: String

    /// A new random id.
    public init() {
        var generator = SystemRandomNumberGenerator()
        let alphabet = Array("abcdefghijklmnopqrstuvwxyz0123456789")
        description = String((0..<Self.length).compactMap { _ in alphabet.randomElement(using: &generator) })
    }

    /// An id written out in full; `nil` when the text is not one.
    public init?(_ text: some StringProtocol) {
        let isID =
            text.utf8.count == Self.length
            && text.utf8.allSatisfy { (UInt8(ascii: "a")...UInt8(ascii: "z")).contains($0) || isDigit($0) }
        guard isID else { return nil }
        description = String(text)
    }
}

/// A name that a user gives a sandbox: 1...63 of `[A-Za-z0-9_.-]`, the first a letter or digit.
public struct SandboxName: Hashable, Sendable, CustomStringConvertible {
    /// The name as text.
    public let description: String

    /// A name; `nil` when the text is not one, or could be taken for a ``SandboxID``.
    public init?(_ text: some StringProtocol) {
        let bytes = Array(text.utf8)
        guard let first = bytes.first, bytes.count <= 63, isLetter(first) || isDigit(first), SandboxID(text) == nil,
            bytes.allSatisfy({ isLetter($0) || isDigit($0) || "_.-".utf8.contains($0) })
        else { return nil }
        description = String(text)
    }
}

private func isDigit(_ byte: UInt8) -> Bool { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) }

private func isLetter(_ byte: UInt8) -> Bool {
    (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(byte | 0x20)
}
