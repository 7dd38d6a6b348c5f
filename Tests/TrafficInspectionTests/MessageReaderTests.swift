import Testing

@testable import TrafficInspection

@Suite("Reading HTTP/1")
struct MessageReaderTests {
    /// Everything that a reader makes of bytes that come in parts of `size`.
    static func parse(_ text: String, _ reading: HTTPReading, to method: String = "GET", size: Int) throws -> [String] {
        var reader = HTTPMessageReader(reading)
        var buffer: [UInt8] = []
        var found: [String] = []
        var rest = Array(text.utf8)[...]
        if reading != .requests { reader.expectResponse(toHEAD: method == "HEAD") }
        while true {
            let (step, consumed) = try buffer.withUnsafeBytes { try reader.step($0) }
            buffer.removeFirst(consumed)
            switch step {
            case .more:
                if consumed > 0 { continue }
                if rest.isEmpty {
                    if try reader.connectionEnded() { found.append("end by close") }
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
        let found = joined(try Self.parse(text, .requests, size: size))
        #expect(
            found == "|POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello|end []"
                + "|PUT /b HTTP/1.1\r\nTransfer-Encoding: Chunked\r\n\r\nabc0123456789|end [\"v\"]|GET /c HTTP/1.0\r\n\r\n|end []"
        )
    }

    @Test("the body of a response ends as its head and its request say")
    func responses() throws {
        func bodies(_ text: String, to method: String = "GET") throws -> String {
            joined(try Self.parse(text, .responses, to: method, size: 4).dropFirst().map { $0 })
        }
        #expect(try bodies("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc") == "abc|end []")
        #expect(try bodies("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n", to: "HEAD") == "|end []")
        #expect(try bodies("HTTP/1.1 304 X\r\nContent-Length: 3\r\n\r\n") == "|end []")
        #expect(try bodies("HTTP/1.1 200 OK\r\n\r\nabc") == "abc|end by close")
        #expect(try bodies("HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\nabc") == "abc|end by close")
        #expect(try bodies("HTTP/1.1 200\nContent-Length: 3, 3\n\nabc") == "abc|end []")
        #expect(throws: HTTPFault.framing) { try bodies("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc") }
        #expect(throws: HTTPFault.framing) { try bodies("HTTP/1.1 200 OK\r\nContent-Length: 3, 4\r\n\r\nabc") }
        #expect(throws: HTTPFault.unexpectedResponse) {
            try bodies("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\nHTTP/1.1 200 OK\r\n\r\n")
        }
    }

    @Test("where responses are read strictly, what two could understand differently is a fault")
    func strictResponses() throws {
        func read(_ text: String) throws -> [String] { try Self.parse(text, .strictResponses, size: 4) }
        #expect(try read("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc").last == "end []")
        #expect(try read("HTTP/1.1 200 OK\r\n\r\nabc").last == "end by close")
        for (text, fault) in [
            ("\r\nHTTP/1.1 200 OK\r\n\r\n", HTTPFault.statusLine), ("HTTP/1.1 200 OK\n\n", .lineEnd),
            ("HTTP/1.1 200 OK\r\nA: b\r\n c\r\n\r\n", .header), ("HTTP/1.1 200 OK\r\nA: \rb\r\n\r\n", .lineEnd),
            ("HTTP/1.1 200 OK\r\nContent-Length: 3, 3\r\n\r\nabc", .framing),
            ("HTTP/1.1 204 X\r\nTransfer-Encoding: gzip\r\n\r\n", .framing),
            ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1 \r\na\r\n0\r\n\r\n", .chunk),
        ] {
            #expect(throws: fault) { try read(text) }
        }
    }

    @Test("folded lines of a response become one, with no space at either end")
    func folding() throws {
        let found = try Self.parse(
            "HTTP/1.1 204 X\r\nA:\r\n b\r\n \r\n\tc \r\n \r\n\r\n", .responses, size: 1000)
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
            "GET / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n1 \r\n",
            "GET / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n1;\u{1}\r\n", "\nGET / HTTP/1.1\r\n\r\n",
            "\r\rGET / HTTP/1.1\r\n\r\n",
        ])
    func malformed(_ text: String) {
        #expect(throws: HTTPFault.self) { try Self.parse(text, .requests, size: 1000) }
        #expect(throws: HTTPFault.self) { try Self.parse(text, .requests, size: 1) }
    }

    @Test("heads and chunk sizes have bounds")
    func bounds() {
        let long = String(repeating: "x", count: 70_000)
        #expect(throws: HTTPFault.tooLong) {
            try Self.parse("GET / HTTP/1.1\r\nA: \(long)", .requests, size: 999)
        }
        let many = String(repeating: "A: b\r\n", count: 600)
        #expect(throws: HTTPFault.tooLong) {
            try Self.parse("GET / HTTP/1.1\r\n\(many)\r\n", .requests, size: 999)
        }
        let trailers = String(repeating: "A: b\r\n", count: 3000)
        #expect(throws: HTTPFault.tooLong) {
            try Self.parse(
                "GET / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\(trailers)", .requests, size: 999)
        }
        let chunk = "GET / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n1;\(long)"
        #expect(throws: HTTPFault.tooLong) { try Self.parse(chunk, .requests, size: 999) }
    }
}
