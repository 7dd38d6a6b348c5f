import InterceptionProtocol
import Testing

@testable import Interception
import TrafficInspection

@Suite("Reading ClientHellos")
struct ClientHelloTests {
    /// A ClientHello with these extensions, as one record.
    static func hello(_ extensions: [(type: UInt16, body: [UInt8])]) -> [UInt8] {
        let all = extensions.flatMap { number($0.type) + number(UInt16($0.body.count)) + $0.body }
        let body =
            [3, 3] + [UInt8](repeating: 7, count: 32) + [0, 0, 2, 0x13, 1, 1, 0] + number(UInt16(all.count)) + all
        let message = [1, 0] + number(UInt16(body.count)) + body
        return [22, 3, 1] + number(UInt16(message.count)) + message
    }

    private static func number(_ value: UInt16) -> [UInt8] { [UInt8(value >> 8), UInt8(value & 255)] }

    static func serverName(_ name: String) -> (type: UInt16, body: [UInt8]) {
        let bytes = Array(name.utf8)
        return (0, number(UInt16(bytes.count + 3)) + [0] + number(UInt16(bytes.count)) + bytes)
    }

    private let protocols: (type: UInt16, body: [UInt8]) = (16, [0, 12, 2, 104, 50, 8] + Array("http/1.1".utf8))

    @Test("the name and the protocols are found")
    func found() throws {
        let hello = try ClientHello.read(Self.hello([Self.serverName("api.example.com"), (43, [2, 3, 4]), protocols]))
        #expect(hello == ClientHello(serverName: "api.example.com", protocols: ["h2", "http/1.1"]))
        #expect(try ClientHello.read(Self.hello([])) == ClientHello())
    }

    @Test("every beginning of one waits for more, in however many records it comes")
    func parts() throws {
        let whole = Self.hello([Self.serverName("api.example.com"), protocols])
        for count in 0..<whole.count { #expect(try ClientHello.read(whole.prefix(count)) == nil) }
        let message = whole.dropFirst(5)
        let split: [UInt8] = message.flatMap { byte -> [UInt8] in [22, 3, 1, 0, 1, byte] }
        #expect(try ClientHello.read(split)?.serverName == "api.example.com")
    }

    @Test("what is none is told from what is malformed")
    func malformed() {
        #expect(throws: ClientHello.Malformation.notTLS) { try ClientHello.read(Array("GET / HTTP/1.1".utf8)) }
        #expect(throws: ClientHello.Malformation.malformed) {
            try ClientHello.read(Self.hello([Self.serverName("a"), Self.serverName("b")]))
        }
        #expect(throws: ClientHello.Malformation.malformed) {
            try ClientHello.read(Self.hello([Self.serverName("a b")]))
        }
        #expect(throws: ClientHello.Malformation.malformed) { try ClientHello.read(Self.hello([(0, [0, 9, 0])])) }
        #expect(throws: ClientHello.Malformation.tooLong) { try ClientHello.read([22, 3, 1, 0, 4, 1, 255, 255, 255]) }
    }
}

@Suite("Reading HTTP/1")
struct HTTP1ParserTests {
    /// Everything that a parser makes of bytes that come in parts of `size`.
    static func parse(_ text: String, isRequest: Bool, to method: String = "GET", size: Int) throws -> [String] {
        var parser = HTTP1Parser(isRequest: isRequest)
        var buffer: [UInt8] = []
        var found: [String] = []
        var rest = Array(text.utf8)[...]
        if !isRequest { parser.expectResponse(to: Array(method.utf8)) }
        while true {
            let (step, consumed) = try buffer.withUnsafeBytes { try parser.step($0) }
            buffer.removeFirst(consumed)
            switch step {
            case .more:
                if consumed > 0 { continue }
                if rest.isEmpty {
                    if try parser.connectionEnded() { found.append("end by close") }
                    return found
                }
                buffer += rest.prefix(size)
                rest = rest.dropFirst(size)
            case .head(let head): found.append(String(decoding: head.encoded(), as: UTF8.self))
            case .body(let count):
                if count > 0 { found.append("+" + String(decoding: buffer.prefix(count), as: UTF8.self)) }
                buffer.removeFirst(count)
            case .end(let fields): found.append("end \(fields.map { String(decoding: $0.value, as: UTF8.self) })")
            }
        }
    }

    private func joined(_ steps: [String]) -> String {
        // However a body is cut, it is one.
        steps.reduce(into: "") { $0 += $1.hasPrefix("+") ? String($1.dropFirst()) : "|\($1)" }
    }

    @Test("requests are the same in whatever parts they come", arguments: [1, 2, 3, 7, 1000])
    func parts(_ size: Int) throws {
        let text =
            "\r\nPOST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello"
            + "PUT /b HTTP/1.1\r\nTransfer-Encoding: Chunked\r\n\r\n3;e=\"x\"\r\nabc\r\n00a\r\n0123456789\r\n0\r\nT: v\r\n\r\n"
            + "GET /c HTTP/1.0\r\n\r\n"
        let found = joined(try Self.parse(text, isRequest: true, size: size))
        #expect(
            found == "|POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello|end []"
                + "|PUT /b HTTP/1.1\r\nTransfer-Encoding: Chunked\r\n\r\nabc0123456789|end [\"v\"]|GET /c HTTP/1.0\r\n\r\n|end []"
        )
    }

    @Test("the body of a response ends as its head and its request say")
    func responses() throws {
        func bodies(_ text: String, to method: String = "GET") throws -> String {
            joined(try Self.parse(text, isRequest: false, to: method, size: 4).dropFirst().map { $0 })
        }
        #expect(try bodies("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc") == "abc|end []")
        #expect(try bodies("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n", to: "HEAD") == "|end []")
        #expect(try bodies("HTTP/1.1 304 X\r\nContent-Length: 3\r\n\r\n") == "|end []")
        #expect(try bodies("HTTP/1.1 200 OK\r\n\r\nabc") == "abc|end by close")
        #expect(try bodies("HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\nabc") == "abc|end by close")
        #expect(try bodies("HTTP/1.1 200\nContent-Length: 3, 3\n\nabc") == "abc|end []")
        #expect(throws: HTTP1Error.framing) { try bodies("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc") }
        #expect(throws: HTTP1Error.framing) { try bodies("HTTP/1.1 200 OK\r\nContent-Length: 3, 4\r\n\r\nabc") }
        #expect(throws: HTTP1Error.unexpected) {
            try bodies("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\nHTTP/1.1 200 OK\r\n\r\n")
        }
    }

    @Test("folded lines of a response become one, with no space at either end")
    func folding() throws {
        let found = try Self.parse(
            "HTTP/1.1 204 X\r\nA:\r\n b\r\n \r\n\tc \r\n \r\n\r\n", isRequest: false, size: 1000)
        #expect(found == ["HTTP/1.1 204 X\r\nA: b c\r\n\r\n", "end []"])
    }

    @Test(
        "what is no request is refused",
        arguments: [
            "GET  / HTTP/1.1\r\n\r\n", "GET / HTTP/2.0\r\n\r\n", "GET /\r\n\r\n", "G T / HTTP/1.1\r\n\r\n",
            "GET / HTTP/1.1\nHost: x\n\n", "GET / HTTP/1.1\r\n Host: x\r\n\r\n", "GET / HTTP/1.1\r\n: x\r\n\r\n",
            "GET / HTTP/1.1\r\nA\u{7f}: x\r\n\r\n", "GET / HTTP/1.1\r\nA: \rx\r\n\r\n",
            "GET / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n",
            "GET / HTTP/1.1\r\nContent-Length: 9999999999999999999\r\n\r\n",
            "GET / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\ng\r\n",
            "GET / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nab\r\n",
            "GET / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n1\nab\n",
            "GET / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\n",
            "GET / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n1 x\r\n",
        ])
    func malformed(_ text: String) {
        #expect(throws: HTTP1Error.self) { try Self.parse(text, isRequest: true, size: 1000) }
        #expect(throws: HTTP1Error.self) { try Self.parse(text, isRequest: true, size: 1) }
    }

    @Test("heads and chunk sizes have bounds")
    func bounds() {
        let long = String(repeating: "x", count: 70_000)
        #expect(throws: HTTP1Error.tooLong) {
            try Self.parse("GET / HTTP/1.1\r\nA: \(long)", isRequest: true, size: 999)
        }
        let many = String(repeating: "A: b\r\n", count: 600)
        #expect(throws: HTTP1Error.field) {
            try Self.parse("GET / HTTP/1.1\r\n\(many)\r\n", isRequest: true, size: 999)
        }
        let chunk = "GET / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n1;\(long)"
        #expect(throws: HTTP1Error.chunk) { try Self.parse(chunk, isRequest: true, size: 999) }
    }
}

@Suite("Looking for placeholders")
struct ScannerTests {
    private let scanner = PlaceholderScanner(
        ["sandpiper-secret-aaaaaaaa", "sandpiper-secret-bbbbbbbbbbbb"].map { Array($0.utf8) })

    @Test("all forms are found, wherever they are cut", arguments: 0..<76)
    func cuts(_ cut: Int) {
        let forms = [
            "sandpiper-secret-aaaaaaaa", "%73%61%6E%64%70%69%70%65%72%2D%73%65%63%72%65%74%2D%61%61%61%61%61%61%61%61",
            "sandpiper%2Dsecret%2daaaaaaaa",
        ]
        for form in forms {
            var stream = StreamScanner(scanner)
            let bytes = Array("before %41 \(form) after %".utf8)
            var found: Set<Int> = []
            for part in [bytes.prefix(cut), bytes.dropFirst(cut)] where !part.isEmpty {
                found.formUnion(Array(part).withUnsafeBytes { stream.feed($0) })
            }
            #expect(found == [0])
            var bytewise = StreamScanner(scanner)
            #expect(bytes.reduce(into: Set<Int>()) { $0.formUnion([$1].withUnsafeBytes { bytewise.feed($0) }) } == [0])
        }
    }

    @Test("one that is not whole is none, and each is told from the others")
    func others() {
        #expect(scanner.found(in: Array("sandpiper-secret-aaaaaaa sandpiper-secret-".utf8)) == [])
        let both = Array("xsandpiper-secret-bbbbbbbbbbbbsandpiper-secret-aaaaaaaasandpiper-secret-bbbbbbbbbbbb".utf8)
        #expect(scanner.hits(in: both).map(\.index) == [1, 0, 1])
        #expect(scanner.hits(in: both).map(\.start) == [1, 30, 55])
        let unlike = PlaceholderScanner(["aaaaaaaaaaaaaaaaaaaa", "bbbbbbbbbbbbbbbbbbbb"].map { Array($0.utf8) })
        #expect(unlike.found(in: Array("xx bbbbbbbbbbbbbbbbbbbb".utf8)) == [1])
    }

    @Test("Base64 is what openssl and others make of it")
    func base64() {
        for (text, encoded) in [
            ("", ""), ("a", "YQ=="), ("ab", "YWI="), ("abc", "YWJj"), ("user:\u{e9}", "dXNlcjrDqQ=="),
        ] {
            #expect(Base64.encoded(Array(text.utf8)) == Array(encoded.utf8))
            #expect(Base64.decoded(Array(encoded.utf8)) == Array(text.utf8))
            #expect(Base64.decoded(Array(encoded.utf8.prefix { $0 != UInt8(ascii: "=") })) == Array(text.utf8))
        }
        for text in ["a", "YQ=", "YQ===", "Y Q", "YQ==x"] where text != "YQ=" {
            #expect(Base64.decoded(Array(text.utf8)) == nil)
        }
    }
}

@Suite("Guessing what a guest speaks")
struct SniffingTests {
    private func guess(_ text: String) -> SniffingRelay.Guess? {
        Array(text.utf8).withUnsafeBytes { SniffingRelay.guess($0) }
    }

    @Test("whatever a lenient server may take for HTTP counts as HTTP")
    func guesses() {
        #expect(guess("GET / HTTP/1.1\r\n") == .http1)
        #expect(guess("\r\nGET\t/ http/1.1\n") == .http1)
        #expect(guess("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n") == .http2)
        #expect(guess("EHLO me\r\n") == .other)
        #expect(guess("\u{1}\u{2}") == .other)
        #expect(guess("*1\r\n") == .other)
        #expect(guess("") == nil && guess("GET / HT") == nil && guess("PRI * HTTP/2.0") == nil)
        #expect(guess(String(repeating: "a", count: 20_000)) == .other)
    }
}
