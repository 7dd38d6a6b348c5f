/// Variables of a process's environment, as records name them.
enum EnvironmentVariable {
    /// Whether a text is the name of one: letters, digits and underscores, no digit first.
    /// - Parameter longest: most bytes.
    static func isName(_ text: String, longest: Int) -> Bool {
        func isDigit(_ byte: UInt8) -> Bool { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) }
        func isLetter(_ byte: UInt8) -> Bool {
            byte == UInt8(ascii: "_") || (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(byte | 0x20)
        }
        guard let first = text.utf8.first, isLetter(first), text.utf8.count <= longest else { return false }
        return text.utf8.allSatisfy { isLetter($0) || isDigit($0) }
    }
}
