/// The environment a process starts with: `NAME=VALUE` pairs, each name once.
struct ProcessEnvironment {
    /// Where programs are looked for when the environment does not say.
    static let standardPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

    /// In the order the names first appeared.
    private(set) var pairs: [String] = []
    private var positions: [String: Int] = [:]

    /// Joins lists of pairs; a later pair replaces an earlier one of its name. What is not a pair is left out.
    init(_ lists: [String]...) {
        for list in lists {
            for pair in list { set(pair) }
        }
    }

    private mutating func set(_ pair: String) {
        guard let end = pair.utf8.firstIndex(of: UInt8(ascii: "=")), end > pair.startIndex else { return }
        let name = String(pair[..<end])
        if let position = positions[name] {
            pairs[position] = pair
        } else {
            positions[name] = pairs.count
            pairs.append(pair)
        }
    }

    /// Gives a name a value unless it has one.
    mutating func setDefault(_ name: String, _ value: String) {
        if positions[name] == nil { set("\(name)=\(value)") }
    }

    /// The value of a name.
    subscript(name: String) -> String? {
        positions[name].map { String(pairs[$0].dropFirst(name.count + 1)) }
    }
}
