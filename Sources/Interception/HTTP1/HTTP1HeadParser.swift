import TrafficInspection

/// Why bytes are no message of HTTP/1.
enum HTTP1Error: Error, Equatable, CustomStringConvertible {
    case startLine
    case version
    case field
    case framing
    case chunk
    case tooLong
    case unexpected

    var description: String {
        switch self {
        case .startLine: "the first line is none of HTTP"
        case .version: "the version of HTTP is none that is spoken here"
        case .field: "a header field is malformed"
        case .framing: "the length of the body is contradictory"
        case .chunk: "a chunk of the body is malformed"
        case .tooLong: "the header is too long"
        case .unexpected: "a response to no request"
        }
    }
}

/// Reads first lines and header sections (RFC 9112 sections 2 to 5). Strict with requests, since what a server makes of a
/// lenient reading is unknown; with responses as lenient as the specification recommends.
enum HTTP1HeadParser {
    /// Most bytes of a header or trailer section.
    static let longest = 65_536
    /// Most fields of it.
    static let mostFields = 512

    /// Where a section that starts at the beginning of `bytes` ends, after its empty line.
    /// - Parameter searched: how many bytes hold no end, known from before.
    static func end(of bytes: UnsafeRawBufferPointer, searched: Int) -> Int? {
        var position = max(searched - 3, 0)
        while let feed = ByteSearch.first(10, in: bytes, from: position) {
            position = feed + 1
            guard feed > 0 else { return 1 }
            if bytes[feed - 1] == 10 { return feed + 1 }
            if bytes[feed - 1] == 13, feed == 1 || bytes[feed - 2] == 10 { return feed + 1 }
        }
        return nil
    }

    /// Reads a whole head.
    static func head(_ bytes: UnsafeRawBufferPointer, isRequest: Bool) throws(HTTP1Error) -> HTTP1Head {
        var lines = Lines(bytes, strict: isRequest)
        guard let first = try lines.next() else { throw .startLine }
        let (start, minorVersion) = isRequest ? try requestLine(first) : try statusLine(first)
        return HTTP1Head(
            start: start, minorVersion: minorVersion, fields: try fields(&lines, allowsFolding: !isRequest))
    }

    /// Reads a whole trailer section.
    static func trailers(_ bytes: UnsafeRawBufferPointer, isRequest: Bool) throws(HTTP1Error) -> [HeaderField] {
        var lines = Lines(bytes, strict: isRequest)
        return try fields(&lines, allowsFolding: !isRequest)
    }

    private static func requestLine(_ line: [UInt8]) throws(HTTP1Error) -> (HTTP1Head.Start, Int) {
        let parts = line.split(separator: 32, omittingEmptySubsequences: false)
        guard parts.count == 3, !parts[0].isEmpty, parts[0].allSatisfy(ASCII.isToken), !parts[1].isEmpty,
            parts[1].allSatisfy({ $0 > 32 && $0 != 127 })
        else { throw .startLine }
        return (.request(method: Array(parts[0]), target: Array(parts[1])), try version(parts[2]))
    }

    private static func statusLine(_ line: [UInt8]) throws(HTTP1Error) -> (HTTP1Head.Start, Int) {
        let parts = line.split(separator: 32, maxSplits: 2, omittingEmptySubsequences: false)
        guard parts.count >= 2, parts[1].count == 3, parts[1].allSatisfy(ASCII.isDigit) else { throw .startLine }
        let status = parts[1].reduce(0) { $0 * 10 + Int($1 - UInt8(ascii: "0")) }
        guard status >= 100 else { throw .startLine }
        let reason = parts.count == 3 ? Array(parts[2]) : []
        guard reason.allSatisfy(isValueByte) else { throw .startLine }
        return (.response(status: status, reason: reason), try version(parts[0]))
    }

    private static func version(_ bytes: ArraySlice<UInt8>) throws(HTTP1Error) -> Int {
        if bytes.elementsEqual("HTTP/1.1".utf8) { return 1 }
        if bytes.elementsEqual("HTTP/1.0".utf8) { return 0 }
        throw .version
    }

    private static func fields(_ lines: inout Lines, allowsFolding: Bool) throws(HTTP1Error) -> [HeaderField] {
        var fields: [HeaderField] = []
        while let line = try lines.next(), !line.isEmpty {
            if line[0] == 32 || line[0] == 9 {
                // Folded lines are joined by a space (section 5.2).
                guard allowsFolding, !fields.isEmpty else { throw .field }
                let rest = ASCII.trimmed(line)
                guard rest.allSatisfy(isValueByte) else { throw .field }
                // Neither end of a value is a space.
                let isFirst = fields[fields.count - 1].value.isEmpty
                if !rest.isEmpty { fields[fields.count - 1].value += (isFirst ? [] : [32]) + rest }
                continue
            }
            guard let colon = line.firstIndex(of: UInt8(ascii: ":")), colon > 0 else { throw .field }
            let name = line[..<colon]
            guard name.allSatisfy(ASCII.isToken) else { throw .field }
            let value = ASCII.trimmed(line[(colon + 1)...])
            guard value.allSatisfy(isValueByte), fields.count < mostFields else { throw .field }
            fields.append(HeaderField(name: Array(name), value: value))
        }
        return fields
    }

    /// A byte of a field's value (RFC 9110 section 5.5): no control character but the tab.
    private static func isValueByte(_ byte: UInt8) -> Bool { byte >= 32 && byte != 127 || byte == 9 }

    /// Lines ended by CR LF, or where lenient by LF alone.
    private struct Lines {
        private let bytes: UnsafeRawBufferPointer
        private let strict: Bool
        private var position = 0

        init(_ bytes: UnsafeRawBufferPointer, strict: Bool) {
            self.bytes = bytes
            self.strict = strict
        }

        mutating func next() throws(HTTP1Error) -> [UInt8]? {
            guard position < bytes.count, let feed = ByteSearch.first(10, in: bytes, from: position) else { return nil }
            var end = feed
            if end > position, bytes[end - 1] == 13 {
                end -= 1
            } else if strict {
                throw .field
            }
            defer { position = feed + 1 }
            return Array(bytes[position..<end])
        }
    }
}
