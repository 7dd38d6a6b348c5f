extension StringProtocol {
    /// This text without control characters other than line feeds: foreign text that cannot command a terminal.
    public var printable: String {
        let scalars = unicodeScalars.filter { $0 == "\n" || $0.properties.generalCategory != .control }
        return String(String.UnicodeScalarView(scalars))
    }

    /// This text for a message or table: its beginning, on one line, with what cannot be seen or changes how the rest is
    /// shown written as `\u{…}`.
    /// - Parameter limit: how many characters (Unicode scalars) are shown; `…` stands for the others.
    public func excerpt(_ limit: Int = 200) -> String {
        var text = ""
        var rest = unicodeScalars[...]
        for _ in 0..<limit {
            guard let scalar = rest.popFirst() else { break }
            switch scalar.properties.generalCategory {
            case .control where scalar.properties.isWhitespace: text += " "
            case .control, .format, .lineSeparator, .paragraphSeparator, .surrogate, .unassigned, .privateUse:
                text += "\\u{\(String(scalar.value, radix: 16))}"
            default: text.unicodeScalars.append(scalar)
            }
        }
        return rest.isEmpty ? text : text + "…"
    }
}
