/// The lines of a head: the first one, and headers by name in lower case.
struct HTTPHead {
    let first: String
    private(set) var headers: [(name: String, value: String)] = []

    static let maximumHeaders = 256

    /// Reads a head with the empty line at its end.
    init(_ bytes: ArraySlice<UInt8>) throws(HTTPFault) {
        var first: String?
        var start = bytes.startIndex
        while start < bytes.endIndex {
            let line = try Self.line(bytes, from: start)
            start += line.count + 2
            if first == nil {
                first = try Self.text(line, fault: .requestLine)
            } else if line.isEmpty {
                break
            } else {
                guard headers.count < Self.maximumHeaders else { throw .tooLong }
                headers.append(try Self.header(line))
            }
        }
        guard let first, start == bytes.endIndex else { throw .lineEnd }
        self.first = first
    }

    /// The values of a header, in their order.
    func values(_ name: String) -> [String] { headers.lazy.filter { $0.name == name }.map(\.value) }

    /// A line without its end, which has to be CR LF.
    private static func line(_ bytes: ArraySlice<UInt8>, from start: Int) throws(HTTPFault) -> ArraySlice<UInt8> {
        let rest = bytes[start...]
        guard let end = rest.firstIndex(where: { $0 == UInt8(ascii: "\r") || $0 == UInt8(ascii: "\n") }),
            rest[end...].starts(with: "\r\n".utf8)
        else { throw .lineEnd }
        return rest[..<end]
    }

    /// A header's name, colon and value (RFC 9112 section 5).
    static func header(_ line: ArraySlice<UInt8>) throws(HTTPFault) -> (name: String, value: String) {
        guard let colon = line.firstIndex(of: UInt8(ascii: ":")), colon > line.startIndex,
            line[..<colon].allSatisfy(isToken)
        else { throw .header }
        var value = line[(colon + 1)...].drop(while: isBlank)
        while let last = value.last, isBlank(last) { value.removeLast() }
        return (
            String(decoding: line[..<colon].map { (0x41...0x5A).contains($0) ? $0 | 0x20 : $0 }, as: UTF8.self),
            try text(value, fault: .header)
        )
    }

    /// A text without what commands a terminal or ends a line for somebody.
    private static func text(_ bytes: ArraySlice<UInt8>, fault: HTTPFault) throws(HTTPFault) -> String {
        guard bytes.allSatisfy({ $0 >= 0x20 && $0 != 0x7F || $0 == 0x09 }) else { throw fault }
        return String(decoding: bytes, as: UTF8.self)
    }

    static func isBlank(_ byte: UInt8) -> Bool { byte == 0x20 || byte == 0x09 }

    /// What methods and names of headers are made of (RFC 9110 section 5.6.2).
    static func isToken(_ byte: UInt8) -> Bool {
        switch byte {
        case 0x30...0x39, 0x41...0x5A, 0x61...0x7A: true
        default: "!#$%&'*+-.^_`|~".utf8.contains(byte)
        }
    }
}

extension HTTPHead {
    /// How the end of a body is found, without what a status or a method has to say about it; `nil` when nothing is said.
    func body(minorVersion: Int) throws(HTTPFault) -> HTTPBody? {
        let (lengths, encodings) = (values("content-length"), values("transfer-encoding"))
        guard lengths.count <= 1, encodings.count <= 1, lengths.isEmpty || encodings.isEmpty else { throw .framing }
        if let encoding = encodings.first {
            // Who speaks HTTP/1.0 knows no chunks, and somebody on the way may go by that.
            guard encoding.lowercased() == "chunked", minorVersion == 1 else { throw .framing }
            return .chunked
        }
        guard let text = lengths.first else { return nil }
        guard (1...18).contains(text.utf8.count), text.utf8.allSatisfy({ (0x30...0x39).contains($0) }),
            let length = UInt64(text)
        else { throw .framing }
        return .length(length)
    }

    /// The words of headers that are lists, in lower case.
    func words(_ name: String) -> [String] {
        values(name).flatMap { $0.split(separator: ",") }.map { word in
            word.filter { $0 != " " && $0 != "\t" }.lowercased()
        }
    }
}

extension HTTPRequest {
    /// Reads the head of a request.
    init(head bytes: ArraySlice<UInt8>) throws(HTTPFault) {
        let head = try HTTPHead(bytes)
        let words = head.first.split(separator: " ", omittingEmptySubsequences: false)
        guard words.count == 3, !words[0].isEmpty, words[0].utf8.allSatisfy(HTTPHead.isToken), !words[1].isEmpty,
            !words[1].utf8.contains(0x09)
        else { throw .requestLine }
        switch words[2] {
        case "HTTP/1.1": minorVersion = 1
        case "HTTP/1.0": minorVersion = 0
        default: throw words[2].hasPrefix("HTTP/") ? .version : .requestLine
        }
        method = String(words[0])
        target = String(words[1])
        let hosts = head.values("host")
        guard hosts.count <= 1, minorVersion == 0 || hosts.count == 1,
            let host = ServerName(authority: Substring(hosts.first ?? ""))
        else { throw .host }
        let named = try Self.authority(method: method, target: words[1])
        // Servers go by the target (RFC 9112 section 3.2.2), some by the header: both have to say the same.
        if let named, named != host, host != .none || minorVersion == 1 { throw .host }
        server = named ?? host
        body = try head.body(minorVersion: minorVersion) ?? .length(0)
        upgrades = head.words("upgrade")
        expectsContinue = !head.values("expect").isEmpty
        if method == "CONNECT", body != .length(0) { throw .framing }
    }

    /// The server in a target; `nil` for a path, and for `*`.
    private static func authority(method: String, target: Substring) throws(HTTPFault) -> ServerName? {
        if method == "CONNECT" {
            guard let server = ServerName(authority: target), server != .none else { throw .requestLine }
            return server
        }
        if target.hasPrefix("/") || target == "*" { return nil }
        guard let colon = target.range(of: "://") else { throw .requestLine }
        let scheme = target[..<colon.lowerBound].lowercased()
        guard scheme == "http" || scheme == "https" || scheme == "ws" || scheme == "wss" else { throw .requestLine }
        let authority = target[colon.upperBound...].prefix { $0 != "/" && $0 != "?" && $0 != "#" }
        guard let server = ServerName(authority: authority), server != .none else { throw .requestLine }
        return server
    }
}

extension Substring {
    /// Where a text stands in this one first.
    fileprivate func range(of text: String) -> Range<Index>? {
        var start = startIndex
        while start < endIndex {
            if self[start...].hasPrefix(text) { return start..<index(start, offsetBy: text.count) }
            start = index(after: start)
        }
        return nil
    }
}

extension Span<UInt8> {
    /// The first so many bytes, to be kept.
    func copy(_ count: Int) -> ArraySlice<UInt8> {
        var copy: [UInt8] = []
        copy.reserveCapacity(count)
        for index in 0..<Swift.min(count, self.count) { copy.append(self[index]) }
        return copy[...]
    }
}
