import ForeignText

/// Why a text or document of the image world could not be read.
public enum OCIError: Error, Equatable, Sendable, CustomStringConvertible {
    /// `text` is no image reference.
    case invalidReference(_ text: String, reason: String)
    /// `text` is no digest.
    case invalidDigest(_ text: String)
    /// The JSON document called `document` breaks a rule of its specification or a limit.
    case invalidDocument(_ document: String, reason: String)
    /// An index offers nothing for `platform`.
    case noPlatform(_ platform: Platform, offered: [Platform])

    /// One line: what was read, why it was refused, and what to do where that is known.
    public var description: String {
        switch self {
        case .invalidReference(let text, let reason):
            return "image reference \"\(text.excerpt())\": \(reason)"
        case .invalidDigest(let text):
            return "digest \"\(text.excerpt())\": expected sha256: and 64 hexadecimal digits, or sha512: and 128"
        case .invalidDocument(let document, let reason):
            return "\(document): \(reason.excerpt())"
        case .noPlatform(let platform, let offered):
            let list = offered.prefix(16).map(\.description).joined(separator: ", ").excerpt()
            return "no image for \(platform); there is \(list.isEmpty ? "none" : list)"
        }
    }
}
