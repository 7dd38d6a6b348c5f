/// What a client speaks, told from the first bytes that it sends.
public enum FirstBytes: Hashable, Sendable {
    /// A ClientHello of TLS 1.0 to 1.3: follow it with `TLSClientTracker`.
    case tls
    /// A request of HTTP/1: follow it with `HTTPRequestTracker`.
    case http
    /// The preface of HTTP/2 without TLS (RFC 9113 section 3.4), in which names of requests cannot be followed.
    case http2
    /// Anything else.
    case other

    /// The longest first line that is waited for; of a longer one the first word tells.
    public static let maximumLine = 8 << 10

    /// Tells what bytes are the beginning of; `nil` while there are too few of them.
    public static func classify(_ bytes: Span<UInt8>) -> FirstBytes? {
        guard !bytes.isEmpty else { return nil }
        if bytes[0] == TLSRecord.handshake {
            // A record's version is 3.x whatever TLS's own is; its first message is a ClientHello.
            if bytes.count > 1, bytes[1] != 3 { return .other }
            if bytes.count > 5 { return bytes[5] == TLSRecord.clientHello ? .tls : .other }
            return nil
        }
        // A line whose last word is a version of HTTP.
        for index in 0..<min(bytes.count, maximumLine) {
            let byte = bytes[index]
            if byte == UInt8(ascii: "\n") {
                var line = bytes.extracting(0..<index)
                if let last = line.indices.last, line[last] == UInt8(ascii: "\r") { line = line.extracting(0..<last) }
                return line.ends(with: " HTTP/2.0") ? .http2 : line.endsInVersionOfHTTP ? .http : .other
            }
            guard byte >= 0x20 && byte != 0x7F || byte == UInt8(ascii: "\r") || byte == UInt8(ascii: "\t") else {
                return .other
            }
        }
        guard bytes.count >= maximumLine else { return nil }
        for index in 0..<32 where !ASCII.isToken(bytes[index]) {
            return index > 0 && bytes[index] == 0x20 ? .http : .other
        }
        return .other
    }
}

extension Span<UInt8> {
    func ends(with text: StaticString) -> Bool {
        guard count >= text.utf8CodeUnitCount else { return false }
        // Sound: a static string's bytes live as long as the program, and are as many as it says.
        let bytes = UnsafeBufferPointer(start: text.utf8Start, count: text.utf8CodeUnitCount)
        for (offset, byte) in bytes.enumerated() where self[count - bytes.count + offset] != byte { return false }
        return true
    }

    /// ` HTTP/1.1` and the like.
    var endsInVersionOfHTTP: Bool {
        let length = 9
        guard count > length else { return false }
        let word = extracting(count - length..<count)
        return word.extracting(0..<6).ends(with: " HTTP/") && (0x30...0x39).contains(word[6]) && word[7] == 0x2E
            && (0x30...0x39).contains(word[8])
    }
}
