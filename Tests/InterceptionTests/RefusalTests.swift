import Glibc
import InterceptionProtocol
import LinuxSystem
import Testing

@Suite("Refusing through interception", .serialized)
struct RefusalTests {
    @Test(
        "a certificate that is not valid gets the guest a page that says why",
        arguments: [
            ("expired", "it is no longer valid"), ("future", "it is not yet valid"),
            ("other", "it is for www.example.org"),
            ("self", "it is self-signed"), ("stranger", "no authority that is trusted here"),
        ])
    func certificates(_ kind: String, _ why: String) async throws {
        let authority = try await TestAuthority()
        var signer = authority
        switch kind {
        case "expired":
            try await authority.issue(
                "DNS:api.example.com", dates: "-startdate 20200101000000Z -enddate 20200201000000Z")
        case "future":
            try await authority.issue(
                "DNS:api.example.com", dates: "-startdate 21000101000000Z -enddate 21000201000000Z")
        case "other": try await authority.issue("DNS:www.example.org")
        case "self": try await authority.selfSign("DNS:api.example.com", as: "server")
        default:
            signer = try await TestAuthority()
            try await signer.issue("DNS:api.example.com")
        }
        let server = try await WebServer(signer)
        let gateway = try TestGateway(authority)
        let port = try gateway.listen(.init(target: server.port))
        for (version, number) in [("--http1.1", "1.1"), ("--http2", "1.1"), ("--http2-prior-knowledge", "1.1")] {
            let page = try await gateway.curl(port, "/", version)
            #expect(page.contains("the certificate of api.example.com is not valid: \(why)"), "\(page)")
            #expect(page.hasSuffix("\n502 \(number)"))
        }
        let refusal = try await gateway.refusal()
        #expect(refusal.reason == .certificate && refusal.name == "api.example.com")
        #expect(refusal.detail.contains(why))
    }

    @Test("a host whose server the user named is not verified, and no secret goes there")
    func unverified() async throws {
        let authority = try await TestAuthority()
        try await authority.selfSign("DNS:www.example.org", as: "server")
        let server = try await WebServer(authority)
        let gateway = try TestGateway(authority) {
            $0.unverifiedHosts = [HostPattern("api.example.com")].compactMap { $0 }
        }
        let port = try gateway.listen(.init(target: server.port))
        #expect(try await gateway.curl(port, "/").hasPrefix("hello"))
        #expect(try await gateway.curl(port, "/echo", "-H", "X-A: \(TestGateway.placeholder)").contains("\n403 "))
    }

    @Test("without a name, the certificate must be for the address")
    func address() async throws {
        let authority = try await TestAuthority()
        try await authority.issue("IP:127.0.0.1")
        let good = try await WebServer(authority)
        let gateway = try TestGateway(authority)
        let port = try gateway.listen(.init(target: good.port, serverName: nil))
        #expect(try await gateway.curl(port, "/", host: "127.0.0.1").hasPrefix("hello"))
        try await authority.issue("IP:127.0.0.2", as: "other")
        let bad = try await WebServer(authority, certificate: "other")
        let badPort = try gateway.listen(.init(target: bad.port, serverName: nil))
        let page = try await gateway.curl(badPort, "/", host: "127.0.0.1")
        #expect(page.contains("it is for 127.0.0.2"))
    }

    @Test("a request for another host than the handshake's is refused", arguments: ["--http1.1", "--http2"])
    func hosts(_ version: String) async throws {
        let authority = try await TestAuthority()
        try await authority.issue("DNS:api.example.com,DNS:other.example.com")
        let server = try await WebServer(authority)
        let gateway = try TestGateway(authority)
        let port = try gateway.listen(.init(target: server.port, names: ["*.example.com"]))
        #expect(try await gateway.curl(port, "/host", version).hasPrefix("api.example.com\n"))
        #expect(try await gateway.curl(port, "/host", version, "-H", "Host: other.example.com").contains("\n421 "))
        #expect(try await gateway.curl(port, "/host", version, "-H", "Host: www.example.org").contains("\n403 "))
        if version == "--http1.1" {
            let absolute = try await gateway.curl(
                port, "/", version, "--request-target", "https://www.example.org/host")
            #expect(absolute.contains("\n400 "))
            #expect(try await gateway.curl(port, "/", version, "-H", "Host:").contains("\n403 "))
        }
        let refusal = try await gateway.refusal()
        #expect(refusal.reason == .name && refusal.name == "other.example.com")
    }

    @Test("each request of a connection is judged, not the first only")
    func everyRequest() async throws {
        let authority = try await TestAuthority()
        try await authority.issue("DNS:api.example.com")
        let server = try await WebServer(authority)
        let gateway = try TestGateway(authority)
        let port = try gateway.listen(.init(target: server.port, names: ["api.example.com"]))
        let first = "GET /host HTTP/1.1\\r\\nHost: api.example.com\\r\\n\\r\\n"
        let second = "GET /host HTTP/1.1\\r\\nHost: evil.example.net\\r\\n\\r\\n"
        let output = try await openssl(gateway, port, "printf '\(first)\(second)\(first)'; sleep 2")
        #expect(output.contains("HTTP/1.1 200 OK") && output.contains("HTTP/1.1 403 Forbidden"))
        #expect(output.hasSuffix("evil.example.net is not allowed by this sandbox's network policy\n"))
    }

    @Test("words that could become a request and do not go on end the connection, and never reach the server")
    func unfinishedWords() async throws {
        let authority = try await TestAuthority()
        try await authority.issue("DNS:api.example.com")
        let server = try await OddServer(authority, ["": "b'220 ready\\r\\n'"], options: "raw")
        let gateway = try TestGateway(authority)
        let port = try gateway.listen(.init(target: server.port))
        #expect(try await openssl(gateway, port, "sleep 1; printf words; sleep 14") == "220 ready\r\n")
        let events = try await gateway.events { if case .refused = $0 { true } else { false } }
        #expect(events.contains { if case .refused(let refusal) = $0 { refusal.reason == .limit } else { false } })
    }

    private func openssl(_ gateway: TestGateway, _ port: UInt16, _ input: String, name: String = "api.example.com")
        async throws
        -> String
    {
        try await shell(
            "(\(input)) | timeout 20 openssl s_client -quiet -no_ign_eof -CAfile \(gateway.certificate) -servername \(name)"
                + " -connect 127.0.0.1:\(port) 2>/dev/null"
        ).text
    }

    @Test(
        "requests that two could read differently are refused",
        arguments: [
            "Content-Length: 1\\r\\nTransfer-Encoding: chunked\\r\\n", "Content-Length: 1\\r\\nContent-Length: 2\\r\\n",
            "Transfer-Encoding: chunked, gzip\\r\\n", "Transfer-Encoding: xchunked\\r\\n", "Content-Length: +1\\r\\n",
            "X-A : b\\r\\n", "X-A: b\\r\\n folded\\r\\n", "X-A: \\001\\r\\n", "Host: evil.example.net\\r\\n",
            "X-A: b\\n",
            "NoColon\\r\\n",
        ])
    func smuggling(_ fields: String) async throws {
        let authority = try await TestAuthority()
        try await authority.issue("DNS:api.example.com")
        let server = try await WebServer(authority)
        let gateway = try TestGateway(authority)
        let port = try gateway.listen(.init(target: server.port, names: ["api.example.com"]))
        let request = "POST /echo HTTP/1.1\\r\\nHost: api.example.com\\r\\n\(fields)\\r\\nx"
        let output = try await openssl(gateway, port, "printf '\(request)'; sleep 1")
        #expect(output.hasPrefix("HTTP/1.1 400 Bad Request"), "\(output)")
        #expect(try await gateway.refusal().reason == .malformed)
    }

    @Test("a name that is not allowed, another one than the gateway saw, or no TLS at all, end the connection")
    func hellos() async throws {
        let authority = try await TestAuthority()
        try await authority.issue("DNS:api.example.com")
        let server = try await WebServer(authority)
        let gateway = try TestGateway(authority)
        let denied = try gateway.listen(.init(target: server.port, names: ["www.example.org"]))
        let page = try await gateway.curl(denied, "/")
        #expect(page.contains("api.example.com is not allowed") && page.contains("\n403 "))
        let other = try gateway.listen(.init(target: server.port, serverName: "www.example.org"))
        #expect(try await gateway.curl(other, "/") == "\n000 0")
        #expect(try await shell("exec 3<>/dev/tcp/127.0.0.1/\(other); echo hello >&3; timeout 10 cat <&3").text == "")
        let events = try await gateway.events(3) { if case .refused = $0 { true } else { false } }
        #expect(events.count == 3)
    }

    @Test("a server that is no server of TLS, or of HTTP, gets the guest a page")
    func brokenServers() async throws {
        let authority = try await TestAuthority()
        try await authority.issue("DNS:api.example.com")
        let gateway = try TestGateway(authority)
        let web = try await WebServer(authority)
        let plain = try gateway.listen(.init(target: web.plainPort))
        #expect(try await gateway.curl(plain, "/").contains("the TLS handshake with api.example.com failed"))
        let odd = try await OddServer(
            authority,
            [
                "/garbage": "b'\\x00\\x01\\x02\\x03\\r\\n\\r\\n'",
                "/long": "b'HTTP/1.1 200 OK\\r\\nX: ' + b'x' * 100000",
                "/lengths": "b'HTTP/1.1 200 OK\\r\\nContent-Length: 1\\r\\nContent-Length: 2\\r\\n\\r\\nab'",
            ])
        let port = try gateway.listen(.init(target: odd.port))
        for path in ["/garbage", "/long", "/lengths"] {
            #expect(try await gateway.curl(port, path).hasSuffix("\n502 1.1"))
        }
    }

    // Nobody but root may look into an interceptor.
    @Test(
        "whoever opens connections and says nothing, or breaks off, leaves nothing behind", .enabled(if: geteuid() == 0)
    )
    func silence() async throws {
        let authority = try await TestAuthority()
        try await authority.issue("DNS:api.example.com")
        let server = try await WebServer(authority)
        let gateway = try TestGateway(authority)
        let port = try gateway.listen(.init(target: server.port))
        _ = try await gateway.curl(port, "/")
        let before = try FileTree.names(in: "/proc/\(gateway.process.pid)/fd").count
        do {
            let idle = try (0..<200).map { _ in try TestGateway.connectLocally(port) }
            for (index, socket) in idle.enumerated() where index % 2 == 0 {
                try socket.write([22, 3, 1, 2, 0, 1, 0, 1])
            }
            #expect(try await gateway.curl(port, "/").hasPrefix("hello"))
        }
        let closed = try await gateway.events(202) { if case .closed = $0 { true } else { false } }
        #expect(closed.count == 202)
        try await Task.sleep(for: .milliseconds(200))
        #expect(try FileTree.names(in: "/proc/\(gateway.process.pid)/fd").count <= before)
    }
}
