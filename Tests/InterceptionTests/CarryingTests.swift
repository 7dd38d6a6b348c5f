import Glibc
import InterceptionProtocol
import LinuxSystem
import Testing

@Suite("Carrying HTTP through interception", .serialized)
struct CarryingTests {
    @Test(
        "a page comes through either version, with a certificate of the authority", arguments: ["--http1.1", "--http2"])
    func page(_ version: String) async throws {
        let authority = try await TestAuthority()
        try await authority.issue("DNS:api.example.com")
        let server = try await WebServer(authority)
        let gateway = try TestGateway(authority)
        let port = try gateway.listen(.init(target: server.port))
        let text = try await gateway.curl(port, "/", version)
        #expect(text == "hello\n\n200 \(version == "--http2" ? "2" : "1.1")")
        let events = try await gateway.events { if case .closed = $0 { true } else { false } }
        guard case .closed(let account) = try #require(events.first) else { return }
        #expect(account.requests == 1 && account.bytesIn > 6 && account.bytesOut > 50)
        #expect(account.spoken == (version == "--http2" ? "h2" : "http/1"))
    }

    @Test("the guest gets HTTP/1 where the server has nothing else, and no protocol where none was asked for")
    func negotiation() async throws {
        let authority = try await TestAuthority()
        try await authority.issue("DNS:api.example.com")
        let server = try await OddServer(
            authority, ["/": "b'HTTP/1.1 200 OK\\r\\nContent-Length: 2\\r\\n\\r\\nok'"], options: "close alpn")
        let gateway = try TestGateway(authority)
        let port = try gateway.listen(.init(target: server.port))
        #expect(try await gateway.curl(port, "/", "--http2") == "ok\n200 1.1")
        #expect(try await gateway.curl(port, "/", "--no-alpn") == "ok\n200 1.1")
    }

    @Test(
        "100 MB in either direction arrive as they were sent, and take no memory", arguments: ["--http1.1", "--http2"])
    func large(_ version: String) async throws {
        let authority = try await TestAuthority()
        try await authority.issue("DNS:api.example.com")
        let server = try await WebServer(authority)
        let gateway = try TestGateway(authority)
        let port = try gateway.listen(.init(target: server.port))
        let file = "\(server.directory.path)/www/large"
        try await shell("head -c 100000000 /dev/urandom > \(file)")
        let digest = try await shell("sha256sum < \(file)").text.prefix(64)
        _ = try await gateway.curl(port, "/", version)
        let before = try residentPeak(gateway.process.pid)
        let down = try await gateway.curl(port, "/large", version, "-o", "\(gateway.directory.path)/down")
        #expect(down.hasPrefix("\n200"))
        #expect(try await shell("sha256sum < \(gateway.directory.path)/down").text.prefix(64) == digest)
        for framing in ["X-None: 1", "Transfer-Encoding: chunked"] {
            let up = try await gateway.curl(
                port, "/echo", version, "-T", file, "-H", framing, "-H", "Content-Type: application/octet-stream")
            #expect(up.contains("\"count\": 100000000") && up.contains(digest))
        }
        let grown = try residentPeak(gateway.process.pid) - before
        #expect(grown < 24 << 10, "the process grew by \(grown) KiB")
    }

    /// The most memory that a process had, in KiB.
    private func residentPeak(_ pid: pid_t) throws -> Int {
        let status = String(decoding: try FileTree.read("/proc/\(pid)/status"), as: UTF8.self)
        let line = try #require(status.split(separator: "\n").first { $0.hasPrefix("VmHWM:") })
        return try #require(Int(line.filter(\.isNumber)))
    }

    @Test("a hundred streams at once, on several connections")
    func streams() async throws {
        let authority = try await TestAuthority()
        try await authority.issue("DNS:api.example.com,IP:127.0.0.1")
        let server = try await WebServer(authority)
        let gateway = try TestGateway(authority)
        let port = try gateway.listen(.init(target: server.port, serverName: nil))
        try await shell("head -c 20000 /dev/urandom > \(server.directory.path)/www/some")
        let output = try await run([
            "timeout", "60", "h2load", "-n", "2000", "-c", "4", "-m", "100", "https://127.0.0.1:\(port)/some",
        ])
        #expect(output.text.contains("2000 succeeded, 0 failed, 0 errored, 0 timeout"), "\(output.text)")
        #expect(output.text.contains("status codes: 2000 2xx"))
    }

    @Test("a server that ends its connection after some requests loses none", arguments: ["--http1.1", "--http2"])
    func goingAway(_ version: String) async throws {
        let authority = try await TestAuthority()
        try await authority.issue("DNS:api.example.com")
        let server = try await WebServer(authority, mostRequests: 3)
        let gateway = try TestGateway(authority)
        let port = try gateway.listen(.init(target: server.port))
        // A stream that was refused since its connection ends is tried again; curl does not always do that by itself.
        let several = ["--parallel", "--parallel-max", "4", "--retry", "3", "--retry-all-errors", "--retry-delay", "1"]
        for parallel in [[], several] {
            let output = try await run(
                [
                    "curl", "-s", "-m", "30", version, "--cacert", gateway.certificate, "--connect-to",
                    "api.example.com:443:127.0.0.1:\(port)", "-w", "%{http_code}\n", "-o", "/dev/null",
                ] + parallel + ["https://api.example.com/?[1-40]"])
            #expect(output.text == String(repeating: "200\n", count: 40))
        }
    }

    @Test("trailers of HTTP/2 arrive in either direction, and streams that are reset end on both sides")
    func http2Details() async throws {
        let authority = try await TestAuthority()
        try await authority.issue("DNS:api.example.com,IP:127.0.0.1")
        let directory = try TestDirectory()
        try directory.write("page", "hello\n")
        let serverPort = try TestGateway.listenLocally().1
        let log = "\(directory.path)/log"
        let server = try Background([
            "/usr/bin/env", "bash", "-c",
            "exec /usr/sbin/nghttpd -v --trailer='x-response: end' -d \(directory.path) \(serverPort)"
                + " \(authority.directory.path)/server.key \(authority.directory.path)/server.pem > \(log)",
        ])
        try await WebServer.wait(for: serverPort)
        let gateway = try TestGateway(authority)
        let port = try gateway.listen(.init(target: serverPort, serverName: nil))
        let client = "nghttp -v --timeout=20"
        let output = try await shell(
            "\(client) -d \(directory.path)/page --trailer='x-request: end' https://127.0.0.1:\(port)/page")
        #expect(output.text.contains("x-response: end") && output.text.contains("hello"))
        #expect(String(decoding: try FileTree.read(log), as: UTF8.self).contains("x-request: end"))
        // A client that goes in the middle.
        try await shell("head -c 50000000 /dev/zero > \(directory.path)/large")
        try await shell(
            "timeout -s KILL 1 nghttp --window-bits=16 https://127.0.0.1:\(port)/large > \(directory.path)/none")
        try await shell("curl -s -k -m 1 --limit-rate 1M https://127.0.0.1:\(port)/large -o /dev/null")
        let closed = try await gateway.events(3) { if case .closed = $0 { true } else { false } }
        #expect(closed.count == 3)
        withExtendedLifetime(server) {}
    }

    @Test("messages stay what they are: interim responses, trailers, empty and unsized bodies, HEAD, folded fields")
    func kinds() async throws {
        let authority = try await TestAuthority()
        try await authority.issue("DNS:api.example.com")
        let answers = [
            "/interim":
                "b'HTTP/1.1 103 Early Hints\\r\\nLink: </a>\\r\\n\\r\\nHTTP/1.1 200 Fine\\r\\nContent-Length: 2\\r\\n\\r\\nok'",
            "/trailers":
                "b'HTTP/1.1 200 OK\\r\\nTransfer-Encoding: chunked\\r\\nTrailer: X-T\\r\\n\\r\\n3;x=y\\r\\nabc\\r\\n4\\r\\ndefg\\r\\n0\\r\\nX-T: end\\r\\n\\r\\n'",
            "/unsized": "b'HTTP/1.0 200 OK\\nX-Lenient: yes\\n\\nuntil the end'",
            "/none": "b'HTTP/1.1 204 No Content\\r\\n\\r\\n'",
            "/unchanged": "b'HTTP/1.1 304 Not Modified\\r\\nContent-Length: 77\\r\\n\\r\\n'",
            "/head": "b'HTTP/1.1 200 OK\\r\\nContent-Length: 77\\r\\n\\r\\n'",
            "/folded": "b'HTTP/1.1 200 OK\\r\\nX-F: a\\r\\n  b\\r\\nContent-Length: 0\\r\\n\\r\\n'",
            "/request": "b'HTTP/1.1 200 OK\\r\\nContent-Length: %d\\r\\n\\r\\n' % len(REQUEST) + REQUEST",
        ]
        let server = try await OddServer(authority, answers)
        let gateway = try TestGateway(authority)
        let port = try gateway.listen(.init(target: server.port))
        func get(_ path: String, _ arguments: String) async throws -> String {
            try await gateway.curl(port, path, "-i", arguments)
        }
        let interim = try await get("/interim", "-A1")
        #expect(interim.contains("HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n"))
        #expect(interim.contains("HTTP/1.1 200 Fine\r\n") && interim.hasSuffix("ok\n200 1.1"))
        let trailers = try await get("/trailers", "--raw")
        #expect(trailers.contains("abc") && trailers.contains("defg") && trailers.contains("0\r\nX-T: end\r\n"))
        let unsized = try await get("/unsized", "-A1")
        #expect(unsized == "HTTP/1.0 200 OK\r\nX-Lenient: yes\r\n\r\nuntil the end\n200 1")
        #expect(try await get("/none", "-A1").hasPrefix("HTTP/1.1 204 No Content\r\n\r\n"))
        #expect(try await get("/unchanged", "-A1").contains("Content-Length: 77\r\n"))
        #expect(try await get("/head", "-I").contains("Content-Length: 77\r\n"))
        #expect(try await get("/folded", "-A1").contains("X-F: a b\r\n"))
        // Names as they were written, order too.
        let request = try await gateway.curl(port, "/request", "-H", "x-oDD: 1", "-H", "X-Odd: 2", "-H", "Expect:")
        #expect(request.contains("GET /request HTTP/1.1\r\nHost: api.example.com\r\n"))
        #expect(request.contains("x-oDD: 1\r\nX-Odd: 2\r\n"))
    }

    @Test("after an upgrade, and without HTTP, bytes pass as they are; a server may speak first")
    func opaque() async throws {
        let authority = try await TestAuthority()
        try await authority.issue("DNS:api.example.com")
        let upgrade = try await OddServer(
            authority,
            [
                "/upgrade":
                    "b'HTTP/1.1 101 Switching Protocols\\r\\nUpgrade: websocket\\r\\nConnection: upgrade\\r\\n\\r\\nfirst'"
            ])
        let raw = try await OddServer(authority, ["": "b'220 ready\\r\\n'"], options: "raw")
        let gateway = try TestGateway(authority)
        let upgradePort = try gateway.listen(.init(target: upgrade.port))
        let rawPort = try gateway.listen(.init(target: raw.port))
        let client =
            "timeout 20 openssl s_client -quiet -no_ign_eof -verify_return_error -CAfile \(gateway.certificate)"
            + " -servername api.example.com -verify_hostname api.example.com -connect 127.0.0.1"
        let request =
            "GET /upgrade HTTP/1.1\\r\\nHost: api.example.com\\r\\nConnection: upgrade\\r\\nUpgrade: websocket\\r\\n\\r\\n"
        let upgraded = try await shell(
            "(printf '\(request)'; sleep 1; printf 'ping-pong'; sleep 1) | \(client):\(upgradePort)")
        #expect(upgraded.text.hasSuffix("\r\n\r\nfirstping-pong"), "\(upgraded.errors)")
        let spoken = try await shell("(sleep 1; printf 'EHLO me\\r\\n\\001\\002'; sleep 1) | \(client):\(rawPort)")
        #expect(spoken.text == "220 ready\r\nEHLO me\r\n\u{1}\u{2}")
        let events = try await gateway.events(2) { if case .closed = $0 { true } else { false } }
        #expect(events.contains { if case .closed(let account) = $0 { account.spoken == "upgraded" } else { false } })
        #expect(events.contains { if case .closed(let account) = $0 { account.spoken == "opaque" } else { false } })
    }

    @Test("a name on the bypass list is not intercepted")
    func bypass() async throws {
        let authority = try await TestAuthority()
        try await authority.issue("DNS:api.example.com")
        let server = try await WebServer(authority)
        let gateway = try TestGateway(authority) { $0.bypassedHosts = [HostPattern("*.example.com")].compactMap { $0 } }
        let port = try gateway.listen(.init(target: server.port))
        #expect(try await gateway.curl(port, "/") == "\n000 0")
        #expect(try await gateway.curl(port, "/", "--cacert", authority.certificate).hasPrefix("hello"))
    }

    @Test("plain HTTP is carried, and judged by the host that each request names")
    func plain() async throws {
        let authority = try await TestAuthority()
        try await authority.issue("DNS:api.example.com")
        let server = try await WebServer(authority)
        let gateway = try TestGateway(authority)
        let port = try gateway.listen(
            .init(target: server.plainPort, scheme: .http, serverName: nil, port: 80, names: ["api.example.com"]))
        #expect(try await gateway.plainCurl(port, "/", host: "api.example.com") == "hello\n\n200")
        #expect(try await gateway.plainCurl(port, "/", host: "other.example.com").hasSuffix("403"))
    }
}
