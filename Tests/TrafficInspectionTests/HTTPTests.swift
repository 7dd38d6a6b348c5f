import NetworkAddress
import Testing

@testable import TrafficInspection

@Suite("Requests of HTTP")
struct HTTPTests {
    /// A connection as a gateway carries it: what passed, which servers were asked for, and what is to be done next.
    struct Connection {
        var tracker = HTTPRequestTracker()
        var held: [UInt8] = []
        var passed: [UInt8] = []
        var requests: [HTTPRequest] = []
        var last = HTTPRequestTracker.Step.needMore

        mutating func client(_ bytes: [UInt8], pieces: Int = .max) {
            var start = 0
            while start < bytes.count {
                let count = min(pieces, bytes.count - start)
                held += bytes[start..<start + count]
                start += count
                run()
            }
        }

        mutating func client(_ text: String, pieces: Int = .max) { client(Array(text.utf8), pieces: pieces) }

        mutating func server(_ text: String) {
            let bytes = Array(text.utf8)
            tracker.observe(server: bytes.span)
            run()
        }

        private mutating func run() {
            while true {
                let bytes = held
                last = tracker.next(bytes.span)
                switch last {
                case .pass(let count): pass(count)
                case .request(let request, let count):
                    requests.append(request)
                    pass(count)
                case .opaque:
                    pass(held.count)
                    return
                case .needMore, .needAnswer, .fault: return
                }
            }
        }

        private mutating func pass(_ count: Int) {
            passed += held.prefix(count)
            held.removeFirst(count)
        }

        var servers: [String] {
            requests.map {
                switch $0.server {
                case .name(let name): name.text
                case .address(let address): "\(address)"
                case .none: "-"
                }
            }
        }
    }

    @Test(
        "the server of each request is seen, in whichever pieces they come",
        arguments: [
            ("GET / HTTP/1.1\r\nHost: a.example\r\n\r\n", ["a.example"]),
            ("GET / HTTP/1.1\r\nhost:  A.Example:8080 \r\n\r\n", ["a.example"]),
            ("GET / HTTP/1.0\r\n\r\n", ["-"]), ("GET / HTTP/1.1\r\nHost:\r\n\r\n", ["-"]),
            ("GET / HTTP/1.1\r\nHost: 192.0.2.1\r\n\r\n", ["192.0.2.1"]),
            ("GET / HTTP/1.1\r\nHost: [2001:db8::1]:80\r\n\r\n", ["2001:db8::1"]),
            ("GET http://a.example/x HTTP/1.1\r\nHost: a.example\r\n\r\n", ["a.example"]),
            ("GET http://a.example:80?x HTTP/1.1\r\nHost: A.example\r\n\r\n", ["a.example"]),
            ("GET http://a.example HTTP/1.0\r\n\r\n", ["a.example"]),
            ("OPTIONS * HTTP/1.1\r\nHost: a.example\r\n\r\n", ["a.example"]),
            (
                "GET / HTTP/1.1\r\nHost: a.example\r\n\r\nGET / HTTP/1.1\r\nHost: b.example\r\n\r\n",
                ["a.example", "b.example"]
            ),
            (
                "POST / HTTP/1.1\r\nHost: a.example\r\nContent-Length: 5\r\n\r\nGET /GET / HTTP/1.1\r\nHost: b.example\r\n\r\n",
                ["a.example", "b.example"]
            ),
            (
                "POST / HTTP/1.1\r\nHost: a.example\r\nTransfer-Encoding: Chunked\r\n\r\n"
                    + "5;x=y\r\nGET /\r\nA\r\n0123456789\r\n0\r\nTrailer: x\r\n\r\nGET / HTTP/1.1\r\nHost: b.example\r\n\r\n",
                ["a.example", "b.example"]
            ),
            (
                "POST / HTTP/1.1\r\nHost: a.example\r\nContent-Length: 1\r\n\r\nx\r\nGET / HTTP/1.1\r\nHost: b.example\r\n\r\n",
                ["a.example", "b.example"]
            ),
            (
                "PUT / HTTP/1.1\r\nHost: a.example\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\nabcHEAD / HTTP/1.1\r\nHost: c.example\r\n\r\n",
                ["a.example", "c.example"]
            ),
        ])
    func requests(text: String, servers: [String]) {
        for pieces in [1, 2, 3, 7, .max] {
            var connection = Connection()
            connection.client(text, pieces: pieces)
            #expect(connection.servers == servers)
            #expect(connection.passed == Array(text.utf8) && connection.last == .needMore)
        }
    }

    @Test("nothing of a head passes before it is complete")
    func held() {
        var connection = Connection()
        connection.client("GET / HTTP/1.1\r\nHost: a.example\r\n\r")
        #expect(connection.passed.isEmpty && connection.last == .needMore)
        connection.client("\n")
        #expect(connection.passed.count == 35 && connection.held.isEmpty)
    }

    @Test(
        "what two could understand differently is a fault",
        arguments: [
            // Hosts.
            ("GET / HTTP/1.1\r\n\r\n", HTTPFault.host), ("GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n", .host),
            ("GET / HTTP/1.1\r\nHost: a.example, b.example\r\n\r\n", .host),
            ("GET / HTTP/1.1\r\nHost: a.example b.example\r\n\r\n", .host),
            ("GET / HTTP/1.1\r\nHost: u@a.example\r\n\r\n", .host),
            ("GET / HTTP/1.1\r\nHost: a.example/x\r\n\r\n", .host),
            ("GET / HTTP/1.1\r\nHost: a.example:80:80\r\n\r\n", .host),
            ("GET / HTTP/1.1\r\nHost: a%2eexample\r\n\r\n", .host),
            ("GET / HTTP/1.1\r\nHost: [a.example]\r\n\r\n", .host), ("GET / HTTP/1.1\r\nHost: ..\r\n\r\n", .host),
            ("GET http://b.example/ HTTP/1.1\r\nHost: a.example\r\n\r\n", .host),
            ("GET http://b.example/ HTTP/1.1\r\n\r\n", .host),
            ("CONNECT b.example:443 HTTP/1.1\r\nHost: a.example\r\n\r\n", .host),
            ("GET http://b.example/ HTTP/1.1\r\nHost:\r\n\r\n", .host),
            // First lines.
            ("GET  / HTTP/1.1\r\nHost: a\r\n\r\n", .requestLine), ("GET / HTTP/1.1 \r\nHost: a\r\n\r\n", .requestLine),
            (" GET / HTTP/1.1\r\nHost: a\r\n\r\n", .requestLine), ("GET / x HTTP/1.1\r\nHost: a\r\n\r\n", .requestLine),
            ("GET\t/\tHTTP/1.1\r\nHost: a\r\n\r\n", .requestLine), ("G(T / HTTP/1.1\r\nHost: a\r\n\r\n", .requestLine),
            ("GET /\r\n\r\n", .requestLine), ("GET x HTTP/1.1\r\nHost: a\r\n\r\n", .requestLine),
            ("GET / HTTP/1.1\r\nHost: a.example:65536\r\n\r\n", .host),
            ("GET ws://a/ HTTP/1.1\r\nHost: a\r\n\r\n", .requestLine),
            ("GET ftp://a/ HTTP/1.1\r\nHost: a\r\n\r\n", .requestLine),
            ("GET http:/// HTTP/1.1\r\nHost: a\r\n\r\n", .requestLine),
            ("GET http://u@a.example/ HTTP/1.1\r\nHost: a.example\r\n\r\n", .requestLine),
            ("CONNECT / HTTP/1.1\r\nHost: a\r\n\r\n", .requestLine),
            ("GET / http/1.1\r\nHost: a\r\n\r\n", .requestLine),
            ("GET / HTTP/1.2\r\nHost: a\r\n\r\n", .version), ("GET / HTTP/0.9\r\nHost: a\r\n\r\n", .version),
            ("GET / HTTP/2.0\r\nHost: a\r\n\r\n", .version), ("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", .version),
            // Ends of lines.
            ("GET / HTTP/1.1\nHost: a\n\n", .lineEnd), ("GET / HTTP/1.1\r\nHost: a\n\r\n", .lineEnd),
            ("GET / HTTP/1.1\r\nHost: a\r\nX: \rHost: b\r\n\r\n", .lineEnd),
            ("GET / HTTP/1.1\nHost: a\r\n\r\n", .lineEnd),
            ("GET / HTTP/1.1\r\nHost: a\r\nX: y\n\nGET", .lineEnd), ("GET / HTTP/1.1\r\nHost: a\r\r\n\r\n", .lineEnd),
            // Headers.
            ("GET / HTTP/1.1\r\nHost: a\r\n b\r\n\r\n", .header), ("GET / HTTP/1.1\r\nHost : a\r\n\r\n", .header),
            ("GET / HTTP/1.1\r\nHost: a\r\nX\r\n\r\n", .header), ("GET / HTTP/1.1\r\nHost: a\r\n: x\r\n\r\n", .header),
            ("GET / HTTP/1.1\r\nHost: a\r\nX: \u{0}\r\n\r\n", .header),
            ("GET / HTTP/1.1\r\n\tHost: a\r\n\r\n", .header),
            ("GET / HTTP/1.1\r\nHost: a\r\nX\u{b}: x\r\n\r\n", .header),
            // Lengths.
            ("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\n", .framing),
            ("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1, 1\r\n\r\n", .framing),
            ("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: +1\r\n\r\n", .framing),
            ("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n", .framing),
            ("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0x1\r\n\r\n", .framing),
            ("POST / HTTP/1.1\r\nHost: a\r\nContent-Length:\r\n\r\n", .framing),
            ("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999999999999999\r\n\r\n", .framing),
            ("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n", .framing),
            ("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n", .framing),
            ("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: identity\r\n\r\n", .framing),
            ("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: xchunked\r\n\r\n", .framing),
            (
                "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n",
                .framing
            ),
            ("POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n", .framing),
            ("CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\nContent-Length: 3\r\n\r\n", .framing),
            ("GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nContent-Length: 3\r\n\r\n", .framing),
            // Chunks.
            ("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n", .chunk),
            ("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n\r\n", .chunk),
            ("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n-1\r\n", .chunk),
            ("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n 1\r\n", .chunk),
            ("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1 \r\n", .chunk),
            ("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1000000000000000\r\n", .chunk),
            ("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nxx\r\n", .chunk),
            ("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\n0\r\n", .chunk),
            ("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\nx\r\n", .lineEnd),
            ("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1;a\nb\r\n", .lineEnd),
            ("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1;\u{1}\r\n", .chunk),
            ("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nbad trailer\r\n\r\n", .header),
        ])
    func faults(text: String, fault: HTTPFault) {
        let text = text.replacing("Host: a\r", with: "Host: a.example\r").replacing(
            "http://a/", with: "http://a.example/")
        for pieces in [1, .max] {
            var connection = Connection()
            connection.client(text, pieces: pieces)
            #expect(connection.last == .fault(fault))
            connection.client("GET / HTTP/1.1\r\nHost: a.example\r\n\r\n")
            #expect(connection.last == .fault(fault))
        }
    }

    @Test("as much of a body passes before a fault, however much comes at once", arguments: [1, 2, 5, .max])
    func partial(pieces: Int) {
        let head = "POST / HTTP/1.1\r\nHost: a.example\r\nTransfer-Encoding: chunked\r\n\r\n"
        var connection = Connection()
        connection.client(head + "2\r\nab\r\n1;x\r\nabc\r\n0\r\n\r\n", pieces: pieces)
        #expect(connection.last == .fault(.chunk))
        #expect(connection.passed == Array((head + "2\r\nab\r\n1;x\r\na").utf8))
    }

    @Test("what is too long is a fault, and as long as can be is none")
    func long() {
        var connection = Connection()
        let head = "GET /" + String(repeating: "x", count: (64 << 10) - 100) + " HTTP/1.1\r\nHost: a.example\r\n\r\n"
        connection.client(head)
        #expect(connection.requests.count == 1)
        connection.client("GET /" + String(repeating: "x", count: 65 << 10))
        #expect(connection.last == .fault(.tooLong))
        connection = Connection()
        connection.client("GET / HTTP/1.1\r\nHost: a.example\r\n" + String(repeating: "X: y\r\n", count: 300) + "\r\n")
        #expect(connection.last == .fault(.tooLong))
        for rest in ["1;" + String(repeating: "x", count: 2000), "0\r\n" + String(repeating: "X: y\r\n", count: 5000)] {
            connection = Connection()
            connection.client("POST / HTTP/1.1\r\nHost: a.example\r\nTransfer-Encoding: chunked\r\n\r\n" + rest)
            #expect(connection.last == .fault(.tooLong))
        }
    }

    private static let webSocket =
        "GET / HTTP/1.1\r\nHost: a.example\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"

    @Test("after a change of protocol all passes, but not before the server has agreed")
    func upgrade() {
        var connection = Connection()
        connection.client(Self.webSocket + "\u{1}\u{2}")
        #expect(connection.last == .needAnswer && connection.held == [1, 2])
        connection.server("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n")
        #expect(connection.last == .needAnswer)
        connection.server("\r\n\u{3}")
        #expect(connection.last == .opaque && connection.held.isEmpty)
    }

    @Test("a server that does not change goes on with HTTP")
    func noUpgrade() {
        var connection = Connection()
        connection.client(Self.webSocket + "GET / HTTP/1.1\r\nHost: b.example\r\n\r\n")
        #expect(connection.servers == ["a.example"])
        connection.server("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
        #expect(connection.servers == ["a.example", "b.example"])
    }

    @Test("the answer to a request before a change is not taken for its own")
    func pipelined() {
        var connection = Connection()
        connection.client(
            "HEAD / HTTP/1.1\r\nHost: a.example\r\n\r\n" + Self.webSocket + "GET / HTTP/1.1\r\nHost: b.example\r\n\r\n")
        connection.server("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2000\r\n\r\n")
        #expect(connection.last == .needAnswer)
        connection.server("HTTP/1.1 404 Not Found\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nno\r\n0\r\n\r\n")
        #expect(connection.servers == ["a.example", "a.example", "b.example"])
    }

    @Test(
        "protocols with names of their own are not changed to",
        arguments: ["h2c", "HTTP/2.0", "TLS/1.2", "websocket, h2c", "h2"])
    func blind(upgrade: String) {
        var connection = Connection()
        connection.client("GET / HTTP/1.1\r\nHost: a.example\r\nUpgrade: \(upgrade)\r\n\r\n")
        #expect(connection.last == .needAnswer)
        connection.server("HTTP/1.1 101 Switching Protocols\r\n\r\n")
        #expect(connection.last == .fault(.upgrade))
        connection = Connection()
        connection.client("GET / HTTP/1.1\r\nHost: a.example\r\nUpgrade: \(upgrade)\r\n\r\n")
        connection.server("HTTP/1.1 204 No Content\r\n\r\n")
        #expect(connection.last == .needMore)
    }

    @Test("a tunnel is opaque when the proxy agrees, and HTTP goes on when not")
    func connect() {
        var connection = Connection()
        connection.client("CONNECT b.example:443 HTTP/1.1\r\nHost: b.example:443\r\n\r\n\u{16}")
        #expect(connection.servers == ["b.example"] && connection.last == .needAnswer)
        connection.server("HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n")
        #expect(connection.last == .needMore && connection.held == [0x16])
        connection = Connection()
        connection.client("CONNECT b.example:443 HTTP/1.1\r\nHost: b.example:443\r\n\r\n\u{16}")
        connection.server("HTTP/1.1 200 OK\r\n\r\n")
        #expect(connection.last == .opaque)
    }

    @Test("a server that changes unasked, or whose answer nobody understands, ends what waits for it")
    func unasked() {
        var connection = Connection()
        connection.client("GET / HTTP/1.1\r\nHost: a.example\r\n\r\n")
        connection.server("HTTP/1.1 101 Switching Protocols\r\n\r\n")
        #expect(connection.last == .fault(.upgrade))
        for answer in ["nonsense\r\n\r\n", "HTTP/1.1 99 No\r\n\r\n", String(repeating: "x", count: 70000)] {
            connection = Connection()
            connection.client(Self.webSocket)
            connection.server(answer)
            #expect(connection.last == .fault(.upgrade))
        }
        // Others go on: their requests do not depend on answers.
        connection = Connection()
        connection.server("nonsense\r\n\r\n")
        connection.client("GET / HTTP/1.1\r\nHost: a.example\r\n\r\n")
        #expect(connection.last == .needMore)
        connection.client(Self.webSocket)
        connection.server("HTTP/1.1 101 Switching Protocols\r\n\r\n")
        #expect(connection.last == .fault(.upgrade))
    }

    @Test("no request follows a body that the server answered before it had it, if it was to be asked for")
    func expectation() {
        let head = "POST / HTTP/1.1\r\nHost: a.example\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\n"
        var connection = Connection()
        connection.client(head)
        connection.server("HTTP/1.1 417 Expectation Failed\r\nContent-Length: 0\r\n\r\n")
        connection.client("bodyGET / HTTP/1.1\r\nHost: a.example\r\n\r\n")
        #expect(connection.last == .fault(.unexpectedRequest) && connection.servers.count == 1)
        connection = Connection()
        connection.client(head)
        connection.server("HTTP/1.1 100 Continue\r\n\r\n")
        connection.client("bodyGET / HTTP/1.1\r\nHost: a.example\r\n\r\n")
        #expect(connection.servers.count == 2)
    }

    @Test("a response without a length lasts as long as its connection")
    func untilClose() {
        var connection = Connection()
        connection.client("GET / HTTP/1.1\r\nHost: a.example\r\n\r\n" + Self.webSocket)
        connection.server("HTTP/1.1 200 OK\r\n\r\nHTTP/1.1 101 Switching Protocols\r\n\r\n")
        #expect(connection.last == .needAnswer)
    }

    @Test("whatever bit is changed, or whatever is cut off, nothing traps")
    func changed() {
        let original = Array(
            ("POST /x HTTP/1.1\r\nHost: a.example\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"
                + Self.webSocket).utf8)
        for index in original.indices {
            for bit in 0..<8 {
                var bytes = original
                bytes[index] ^= 1 << bit
                var connection = Connection()
                connection.client(bytes)
                connection.server("HTTP/1.1 200 OK\r\n\r\n")
            }
        }
    }

    @Test("a connection of a thousand requests keeps little, and its last one is seen")
    func many() {
        var connection = Connection()
        for index in 0..<3000 {
            connection.client("GET /\(index) HTTP/1.1\r\nHost: a.example\r\n\r\n")
            connection.server("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc")
        }
        connection.client("GET / HTTP/1.1\r\nHost: b.example\r\n\r\n")
        #expect(connection.servers.count == 3001 && connection.servers.last == "b.example")
        for _ in 0..<2000 { connection.client("GET / HTTP/1.1\r\nHost: a.example\r\n\r\n") }
        #expect(connection.last == .fault(.tooLong))
    }
}
