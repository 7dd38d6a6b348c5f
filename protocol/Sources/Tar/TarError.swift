/// Why bytes are no tar archive, or one that is not taken.
public enum TarError: Error, Equatable, Sendable {
    /// The bytes are no tar archive: why.
    case malformed(String)
    /// The archive ends before what it announced.
    case truncated
    /// An entry or a key cannot be understood: at most 1000 bytes of its name, and why.
    case entry(name: [UInt8], reason: String)
    /// A bound is exceeded; the name of that bound where the user can set it.
    case limit(String, name: String?)

    /// An error about an entry or a key of a header, whose name is foreign.
    init(entry name: some Collection<UInt8>, _ reason: String) {
        self = .entry(name: Array(name.prefix(1000)), reason: reason)
    }

    /// A bound that is exceeded.
    init(limit what: String, name: String? = nil) { self = .limit(what, name: name) }
}

extension TarError: CustomStringConvertible {
    /// What is wrong, in one line, as it follows the name of the archive and a colon. Names in it are foreign: clean them.
    public var description: String {
        switch self {
        case .malformed(let reason): "not a valid tar archive: \(reason)"
        case .truncated: "the archive was cut short"
        case .entry(let name, let reason): "entry '\(String(decoding: name, as: UTF8.self))': \(reason)"
        case .limit(let what, _): what
        }
    }
}
