import LinuxSystem

/// A question before something is removed.
enum Confirmation {
    /// Asks on a terminal, and takes yes for granted where nobody could answer.
    static func isGiven(_ question: String) throws -> Bool {
        let input = try Descriptor(duplicating: 0)
        guard input.isTerminal else { return true }
        try Descriptor(duplicating: 2).write(Array("\(question) [y/N] ".utf8))
        return ["y", "yes"].contains((readLine() ?? "").lowercased())
    }
}
