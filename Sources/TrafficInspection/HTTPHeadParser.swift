/// Reads first lines, header and trailer sections (RFC 9112 sections 2 to 5).
enum HTTPHeadParser {
    /// Most fields of a section.
    static let mostFields = 256

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
    static func head(_ bytes: UnsafeRawBufferPointer, _ reading: HTTPReading) throws(HTTPFault) -> HTTPHead {
        var lines = Lines(bytes, reading)
        guard let first = try lines.next() else { throw .lineEnd }
        let (start, minorVersion) = reading == .requests ? try requestLine(first) : try statusLine(first)
        return HTTPHead(start: start, minorVersion: minorVersion, fields: try fields(&lines, reading))
    }

    /// Reads a whole trailer section.
    static func trailers(_ bytes: UnsafeRawBufferPointer, _ reading: HTTPReading) throws(HTTPFault) -> [HeaderField] {
        var lines = Lines(bytes, reading)
        return try fields(&lines, reading)
    }

    private static func requestLine(_ line: UnsafeRawBufferPointer) throws(HTTPFault) -> (HTTPHead.Start, Int) {
        let parts = line.split(separator: 32, omittingEmptySubsequences: false)
        guard parts.count == 3, !parts[0].isEmpty, parts[0].allSatisfy(ASCII.isToken), !parts[1].isEmpty,
            parts[1].allSatisfy({ $0 > 32 && $0 != 127 }), parts[2].starts(with: "HTTP/".utf8)
        else { throw .requestLine }
        return (.request(method: Array(parts[0]), target: Array(parts[1])), try version(parts[2]))
    }

    private static func statusLine(_ line: UnsafeRawBufferPointer) throws(HTTPFault) -> (HTTPHead.Start, Int) {
        let parts = line.split(separator: 32, maxSplits: 2, omittingEmptySubsequences: false)
        guard parts.count >= 2, parts[1].count == 3, parts[1].allSatisfy(ASCII.isDigit) else { throw .statusLine }
        let status = parts[1].reduce(0) { $0 * 10 + Int($1 - UInt8(ascii: "0")) }
        guard status >= 100 else { throw .statusLine }
        let reason = parts.count == 3 ? Array(parts[2]) : []
        guard reason.allSatisfy(isValueByte) else { throw .statusLine }
        return (.response(status: status, reason: reason), try version(parts[0]))
    }

    private static func version(_ bytes: Slice<UnsafeRawBufferPointer>) throws(HTTPFault) -> Int {
        if bytes.elementsEqual("HTTP/1.1".utf8) { return 1 }
        if bytes.elementsEqual("HTTP/1.0".utf8) { return 0 }
        throw .version
    }

    private static func fields(_ lines: inout Lines, _ reading: HTTPReading) throws(HTTPFault) -> [HeaderField] {
        var fields: [HeaderField] = []
        while let line = try lines.next(), let first = line.first {
            if first == 32 || first == 9 {
                // Folded lines are joined by a space (section 5.2).
                guard reading.isLenient, !fields.isEmpty else { throw .header }
                let rest = ASCII.trimmed(line)
                guard rest.allSatisfy(isValueByte) else { throw .header }
                // Neither end of a value is a space.
                let isFirst = fields[fields.count - 1].value.isEmpty
                if !rest.isEmpty { fields[fields.count - 1].value += (isFirst ? [] : [32]) + rest }
                continue
            }
            guard let colon = line.firstIndex(of: UInt8(ascii: ":")), colon > 0 else { throw .header }
            let name = line[..<colon]
            guard name.allSatisfy(ASCII.isToken) else { throw .header }
            let value = ASCII.trimmed(line[(colon + 1)...])
            guard value.allSatisfy(isValueByte) else { throw .header }
            guard fields.count < mostFields else { throw .tooLong }
            fields.append(HeaderField(name: Array(name), value: value))
        }
        return fields
    }

    /// A byte of a field's value (RFC 9110 section 5.5): no control character but the tab.
    static func isValueByte(_ byte: UInt8) -> Bool { byte >= 32 && byte != 127 || byte == 9 }

    /// Lines ended by CR LF, or where lenient by LF alone.
    private struct Lines {
        private let bytes: UnsafeRawBufferPointer
        private let reading: HTTPReading
        private var position = 0

        init(_ bytes: UnsafeRawBufferPointer, _ reading: HTTPReading) {
            self.bytes = bytes
            self.reading = reading
        }

        mutating func next() throws(HTTPFault) -> UnsafeRawBufferPointer? {
            guard let feed = ByteSearch.first(10, in: bytes, from: position) else { return nil }
            var end = feed
            if end > position, bytes[end - 1] == 13 {
                end -= 1
            } else if !reading.isLenient {
                throw .lineEnd
            }
            let line = UnsafeRawBufferPointer(rebasing: bytes[position..<end])
            // A carriage return alone ends a line for some.
            guard reading.isLenient || ByteSearch.first(13, in: line) == nil else { throw .lineEnd }
            position = feed + 1
            return line
        }
    }
}
