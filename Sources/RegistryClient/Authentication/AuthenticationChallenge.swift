/// How a server wants a client to prove who it is (RFC 9110, section 11.3).
public struct AuthenticationChallenge: Hashable, Sendable {
    /// The scheme in lower case, for example `basic` or `bearer`.
    public let scheme: String
    /// The parameters by their names in lower case; the first of equal names counts.
    public let parameters: [String: String]
    /// The data of a scheme that has no parameters.
    public let token68: String?

    /// How many bytes of header fields are looked at, and how many challenges and parameters.
    static let maximumSize = 16 << 10
    static let maximumChallenges = 16
    static let maximumParameters = 32

    /// Reads the values of all `WWW-Authenticate` fields of an answer (RFC 9110, section 11.6.1): each may hold several
    /// challenges. Any text is accepted; reading a field stops where it breaks the grammar.
    public static func parse(_ fields: [String]) -> [AuthenticationChallenge] {
        var challenges: [AuthenticationChallenge] = []
        var rest = maximumSize
        for field in fields {
            guard field.utf8.count <= rest else { break }
            rest -= field.utf8.count
            var reader = FieldReader(bytes: Array(field.utf8)[...])
            while challenges.count < maximumChallenges, let challenge = reader.challenge() {
                challenges.append(challenge)
            }
        }
        return challenges
    }
}

/// Reads the grammar of one field from its front.
private struct FieldReader {
    var bytes: ArraySlice<UInt8>

    /// The next challenge with all its parameters; `nil` at the end or where there is none.
    mutating func challenge() -> AuthenticationChallenge? {
        skipSeparators()
        guard let scheme = token() else { return nil }
        var parameters: [String: String] = [:]
        var token68: String?
        let isSpaced = bytes.first == UInt8(ascii: " ") || bytes.first == UInt8(ascii: "\t")
        if isSpaced {
            skipBlanks()
            if let (name, value) = parameter() {
                parameters[name] = value
            } else if let data = token68Data() {
                token68 = data
            }
        }
        if token68 == nil {
            // What follows a comma is a further parameter if it reads as one, else the next challenge.
            while parameters.count < AuthenticationChallenge.maximumParameters {
                var ahead = self
                ahead.skipBlanks()
                guard ahead.bytes.isEmpty || ahead.bytes.first == UInt8(ascii: ",") else { break }
                ahead.skipSeparators()
                guard let (name, value) = ahead.parameter() else { break }
                self = ahead
                if parameters[name] == nil { parameters[name] = value }
            }
        }
        // Anything but a comma here breaks the grammar: nothing after it can be trusted to mean what it seems to.
        skipBlanks()
        if let next = bytes.first, next != UInt8(ascii: ",") { bytes = [] }
        return AuthenticationChallenge(scheme: scheme.lowercased(), parameters: parameters, token68: token68)
    }

    /// `name = value`, the value a token or a quoted string; takes nothing when there is none.
    private mutating func parameter() -> (name: String, value: String)? {
        var ahead = self
        guard let name = ahead.token() else { return nil }
        ahead.skipBlanks()
        guard ahead.bytes.popFirst() == UInt8(ascii: "=") else { return nil }
        ahead.skipBlanks()
        guard let value = ahead.bytes.first == UInt8(ascii: "\"") ? ahead.quotedString() : ahead.token() else {
            return nil
        }
        self = ahead
        return (name.lowercased(), value)
    }

    private mutating func token() -> String? { take(while: Self.isTokenByte) }

    private mutating func token68Data() -> String? {
        guard let data = take(while: { Self.isTokenByte($0) || $0 == UInt8(ascii: "/") }) else { return nil }
        return data + (take { $0 == UInt8(ascii: "=") } ?? "")
    }

    private mutating func quotedString() -> String? {
        guard bytes.popFirst() == UInt8(ascii: "\"") else { return nil }
        var text: [UInt8] = []
        while let byte = bytes.popFirst() {
            switch byte {
            case UInt8(ascii: "\""): return String(decoding: text, as: UTF8.self)
            case UInt8(ascii: "\\"):
                guard let escaped = bytes.popFirst() else { return nil }
                text.append(escaped)
            default: text.append(byte)
            }
        }
        return nil
    }

    private mutating func take(while isPart: (UInt8) -> Bool) -> String? {
        let part = bytes.prefix(while: isPart)
        bytes = bytes.dropFirst(part.count)
        return part.isEmpty ? nil : String(decoding: part, as: UTF8.self)
    }

    private mutating func skipBlanks() { bytes = bytes.drop { $0 == UInt8(ascii: " ") || $0 == UInt8(ascii: "\t") } }

    private mutating func skipSeparators() { bytes = bytes.drop { ", \t".utf8.contains($0) } }

    /// RFC 9110, section 5.6.2.
    private static func isTokenByte(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
            UInt8(ascii: "a")...UInt8(ascii: "z"):
            true
        default: "!#$%&'*+-.^_`|~".utf8.contains(byte)
        }
    }
}
