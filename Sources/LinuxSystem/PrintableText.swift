extension StringProtocol {
    /// This text without control characters other than line feeds: foreign text that cannot command a terminal.
    public var printable: String {
        let scalars = unicodeScalars.filter { $0 == "\n" || $0.properties.generalCategory != .control }
        return String(String.UnicodeScalarView(scalars))
    }
}
