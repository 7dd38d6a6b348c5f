import ForeignText

/// The name of an image, as Docker writes it: `[registry/]path[:tag][@digest]`.
///
/// What is left out is filled in as Docker does: the registry is `docker.io`, a path of one component there lies in
/// `library/`, and without tag and digest the tag is `latest`. The grammar is that of the distribution project's
/// `reference` package; the repository's name, registry included, has at most 255 characters.
///
///     try Reference("python").canonical                 // docker.io/library/python:latest
///     try Reference("localhost:5000/a/b:1").familiar    // localhost:5000/a/b:1
public struct Reference: Hashable, Sendable {
    /// The host with an optional port, for example `docker.io`, `localhost:5000` or `[::1]:5000`.
    public let registry: String
    /// The repository's path at the registry, for example `library/python`.
    public let path: String
    /// The tag; `nil` only where there is a digest.
    public let tag: String?
    /// The digest of the manifest or index that is meant.
    public let digest: Digest?

    static let defaultRegistry = "docker.io"
    static let officialPrefix = "library/"
    static let maximumNameLength = 255
    static let maximumTagLength = 128

    /// Reads a reference in any spelling.
    /// - Throws: ``OCIError/invalidReference(_:reason:)``.
    public init(_ text: String) throws(OCIError) {
        func refuse(_ reason: String) -> OCIError { .invalidReference(text, reason: reason) }
        guard !text.isEmpty else { throw refuse("it is empty") }
        // Name, tag and digest at their longest, with the separators.
        guard text.utf8.count <= Self.maximumNameLength + Self.maximumTagLength + 2 + 7 + 128 else {
            throw refuse("it is too long")
        }
        guard !(text.utf8.count == 64 && text.utf8.allSatisfy(\.isLowerHexDigit)) else {
            throw refuse("a name cannot be 64 hexadecimal digits; write a digest as sha256:…")
        }
        var rest = Substring(text)
        var digest: Digest?
        if let at = rest.firstIndex(of: "@") {
            do { digest = try Digest(String(rest[rest.index(after: at)...])) } catch {
                throw refuse("what follows @ is no digest (sha256:… or sha512:…)")
            }
            rest = rest[..<at]
        }
        let (registry, remainder) = Self.split(rest)
        var path = remainder
        var tag: String?
        if let colon = path.firstIndex(of: ":") {
            let text = path[path.index(after: colon)...]
            guard Self.isTag(text) else {
                throw refuse("a tag has 1 to 128 letters, digits, underscores, dots and dashes, no dot or dash first")
            }
            tag = String(text)
            path = path[..<colon]
        }
        guard !path.utf8.contains(where: \.isUpperLetter) else { throw refuse("the name must be lower case") }
        guard path.split(separator: "/", omittingEmptySubsequences: false).allSatisfy(Self.isPathComponent) else {
            throw refuse("parts of a name are lower-case letters and digits, joined by dots, dashes or underscores")
        }
        guard Self.isRegistry(registry) else { throw refuse("\"\(registry.excerpt())\" is no host name of a registry") }

        self.registry = registry
        self.path =
            registry == Self.defaultRegistry && !path.contains("/") ? Self.officialPrefix + path : String(path)
        self.tag = tag ?? (digest == nil ? "latest" : nil)
        self.digest = digest
        guard self.registry.utf8.count + 1 + self.path.utf8.count <= Self.maximumNameLength else {
            throw refuse("the name is longer than \(Self.maximumNameLength) characters")
        }
    }

    /// The whole name with nothing left out, for example `docker.io/library/python:latest`.
    public var canonical: String { "\(registry)/\(path)\(suffix)" }

    /// The shortest spelling that means the same, for example `python:latest`.
    public var familiar: String {
        guard registry == Self.defaultRegistry else { return canonical }
        if path.hasPrefix(Self.officialPrefix) {
            let name = path.dropFirst(Self.officialPrefix.count)
            if !name.contains("/") { return name + suffix }
        }
        // A first component that looks like a host would be taken for the registry.
        let spelling = path + suffix
        return Self.split(Substring(path)).remainder == path ? spelling : canonical
    }

    /// Registry and path, without tag and digest, for example `docker.io/library/python`.
    public var repository: String { "\(registry)/\(path)" }

    private var suffix: String { (tag.map { ":\($0)" } ?? "") + (digest.map { "@\($0)" } ?? "") }
}

extension Reference: CustomStringConvertible {
    /// The familiar form.
    public var description: String { familiar }
}

extension Reference {
    /// Parts the registry from the rest by Docker's rule: the first component is a host only if it looks like one.
    private static func split(_ name: Substring) -> (registry: String, remainder: Substring) {
        guard let slash = name.firstIndex(of: "/") else { return (defaultRegistry, name) }
        let first = name[..<slash]
        let rest = name[name.index(after: slash)...]
        if first == "index.docker.io" { return (defaultRegistry, rest) }
        let isHost = first == "localhost" || first.utf8.contains { ".:".utf8.contains($0) || $0.isUpperLetter }
        return isHost ? (String(first), rest) : (defaultRegistry, name)
    }

    private static func isTag(_ text: Substring) -> Bool {
        guard let first = text.utf8.first, text.utf8.count <= maximumTagLength else { return false }
        return isWord(first) && text.utf8.allSatisfy { isWord($0) || ".-".utf8.contains($0) }
    }

    private static func isWord(_ byte: UInt8) -> Bool { isAlphanumeric(byte) || byte == UInt8(ascii: "_") }

    private static func isAlphanumeric(_ byte: UInt8) -> Bool {
        byte.isLowerLetter || byte.isUpperLetter || byte.isDigit
    }

    /// Letters and digits, between them one dot, one or two underscores, or any number of dashes.
    private static func isPathComponent(_ text: Substring) -> Bool {
        func isLetter(_ byte: UInt8) -> Bool { byte.isLowerLetter || byte.isDigit }
        guard let first = text.utf8.first, let last = text.utf8.last, isLetter(first), isLetter(last) else {
            return false
        }
        return text.utf8.split(omittingEmptySubsequences: true, whereSeparator: isLetter).allSatisfy { separator in
            ["_", ".", "__"].contains(String(separator)) || separator.allSatisfy { $0 == UInt8(ascii: "-") }
        }
    }

    /// A host name or bracketed IPv6 address with an optional port.
    private static func isRegistry(_ text: String) -> Bool {
        let host: Substring
        let port: Substring
        if text.hasPrefix("[") {
            guard let end = text.firstIndex(of: "]") else { return false }
            let address = text[text.index(after: text.startIndex)..<end].utf8
            guard !address.isEmpty,
                address.allSatisfy({
                    $0.isLowerHexDigit || (UInt8(ascii: "A")...UInt8(ascii: "F")).contains($0)
                        || $0 == UInt8(ascii: ":")
                })
            else { return false }
            host = "v6"
            port = text[text.index(after: end)...]
        } else {
            let colon = text.firstIndex(of: ":") ?? text.endIndex
            host = text[..<colon]
            port = text[colon...]
        }
        guard port.isEmpty || (port.first == ":" && port.utf8.count > 1 && port.utf8.dropFirst().allSatisfy(\.isDigit))
        else { return false }
        return host.split(separator: ".", omittingEmptySubsequences: false).allSatisfy { label in
            guard let first = label.utf8.first, let last = label.utf8.last else { return false }
            return isAlphanumeric(first) && isAlphanumeric(last)
                && label.utf8.allSatisfy { isAlphanumeric($0) || $0 == UInt8(ascii: "-") }
        }
    }
}

extension Reference: Comparable {
    /// Orders by the canonical form.
    public static func < (left: Reference, right: Reference) -> Bool { left.canonical < right.canonical }
}

extension Reference: Codable {
    /// Reads the text form.
    public init(from decoder: any Decoder) throws { try self.init(String(from: decoder)) }

    /// Writes the canonical form.
    public func encode(to encoder: any Encoder) throws { try canonical.encode(to: encoder) }
}
