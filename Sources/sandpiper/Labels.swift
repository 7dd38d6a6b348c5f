/// The user's own names and values.
enum Labels {
    /// Reads `KEY=VALUE` and `KEY`.
    static func parse(_ texts: [String]) throws -> [String: String] {
        var labels: [String: String] = [:]
        for text in texts {
            let key = text.prefix { $0 != "=" }
            guard !key.isEmpty else { throw Failure("--label \(text): write KEY=VALUE") }
            labels[String(key)] = String(text.dropFirst(key.count + 1))
        }
        return labels
    }
}
