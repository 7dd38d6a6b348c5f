import Glibc
import InterceptionProtocol
import LinuxSystem
import Testing

@Suite("Secrets through interception", .serialized)
struct SecretTests {
    private static let placeholder = TestGateway.placeholder

    /// A server for two names, only the first of which may have the secret.
    private struct Setting {
        let authority: TestAuthority
        let server: WebServer
        let gateway: TestGateway
        let allowed: UInt16
        let other: UInt16

        init(_ change: (inout InterceptionConfiguration) -> Void = { _ in }) async throws {
            authority = try await TestAuthority()
            try await authority.issue("DNS:api.example.com,DNS:other.example.com")
            server = try await WebServer(authority)
            gateway = try TestGateway(authority, change)
            allowed = try gateway.listen(.init(target: server.port))
            other = try gateway.listen(.init(target: server.port, serverName: "other.example.com"))
        }
    }

    /// Places in a request where a placeholder can be, as arguments of curl and a path.
    static let requests: [(arguments: [String], path: String, arrives: String)] = [
        (["-H", "Authorization: Bearer \(placeholder)"], "/echo", #""Bearer v4lue\"of&the secret""#),
        (["-H", "X-Twice: \(placeholder),\(placeholder)"], "/echo", #""v4lue\"of&the secret,v4lue\"of&the secret""#),
        (["-u", "user:\(placeholder)"], "/echo", #""Basic dXNlcjp2NGx1ZSJvZiZ0aGUgc2VjcmV0""#),
        (["-u", "\(placeholder):"], "/echo", #""Basic djRsdWUib2YmdGhlIHNlY3JldDo=""#),
        ([], "/echo?a=\(placeholder)&b=1", #"/echo?a=v4lue%22of%26the%20secret&b=1"#),
        (["-d", "a=\(placeholder)&b=1"], "/echo", #""body": "a=v4lue%22of%26the%20secret&b=1""#),
        (
            ["-H", "Content-Type: application/json", "-d", "{\"a\":\"\(placeholder)\"}"], "/echo",
            #""body": "{\"a\":\"v4lue\\\"of&the secret\"}""#
        ),
        (
            [
                "-H", "Content-Type: application/vnd.x+json; charset=utf-8", "-H", "Expect: 100-continue", "-d",
                "[\"\(placeholder)\"]",
            ],
            "/echo", #""body": "[\"v4lue\\\"of&the secret\"]""#
        ),
        (
            ["-H", "Content-Type: application/json", "-H", "Transfer-Encoding: chunked", "-d", "[\"\(placeholder)\"]"],
            "/echo",
            #""body": "[\"v4lue\\\"of&the secret\"]""#
        ),
    ]

    @Test("a value takes its placeholder's place on the way to its host", arguments: ["--http1.1", "--http2"])
    func replaced(_ version: String) async throws {
        let setting = try await Setting()
        for (arguments, path, arrives) in Self.requests {
            let output = try await curl(setting, setting.allowed, "api.example.com", [version] + arguments, path)
            #expect(output.contains(arrives), "\(arguments) \(path): \(output)")
            #expect(output.contains("\n200 "))
        }
        // Nothing of that was worth a word, and no word has the value in it.
        #expect(!setting.gateway.allEvents.contains("placeholder"))
    }

    private func curl(
        _ setting: Setting, _ port: UInt16, _ host: String, _ arguments: [String], _ path: String
    ) async throws -> String {
        try await run(
            [
                "curl", "-s", "-m", "20", "--cacert", setting.gateway.certificate, "--connect-to",
                "\(host):443:127.0.0.1:\(port)",
                "-w", "\n%{http_code} %{http_version}",
            ] + arguments + ["https://\(host)\(path)"]
        ).text
    }

    @Test("a placeholder on its way to another host goes nowhere", arguments: ["--http1.1", "--http2"])
    func refused(_ version: String) async throws {
        let setting = try await Setting()
        let encoded = "%73andpiper-secret-0123456789abcde%66"
        let others: [(arguments: [String], path: String, arrives: String)] = [
            ([], "/echo/\(Self.placeholder)", ""), ([], "/echo?\(encoded)", ""), (["-d", "a=\(encoded)"], "/echo", ""),
            (["-H", "\(Self.placeholder): 1"], "/echo", ""),
            (["-H", "\(Self.placeholder.uppercased()): 1"], "/echo", ""),
            (["-H", "Content-Type: text/plain", "-d", "x\(Self.placeholder)y"], "/echo", ""),
            (["-H", "Host: \(Self.placeholder).example.net"], "/echo", ""), (["-H", "X-A: \(encoded)"], "/echo", ""),
            (["-H", "Host: api.example.com", "-H", "X-A: \(Self.placeholder)"], "/echo", ""),
            (["--cookie", "a=b; c=\(Self.placeholder)"], "/echo", ""),
        ]
        for (arguments, path, _) in Self.requests + others {
            let output = try await curl(setting, setting.other, "other.example.com", [version] + arguments, path)
            #expect(
                output.contains("the placeholder of secret TOKEN was on its way to"), "\(arguments) \(path): \(output)")
            #expect(output.contains("\n403 "))
        }
        let count = Self.requests.count + others.count
        let events = try await setting.gateway.events(count) { if case .refused = $0 { true } else { false } }
        #expect(events.count == count)
        for case .refused(let refusal) in events {
            #expect(refusal.reason == .placeholder && refusal.secret == "TOKEN")
        }
    }

    @Test("a placeholder that comes in parts is found", arguments: ["--http1.1", "--http2"])
    func parts(_ version: String) async throws {
        let setting = try await Setting()
        let (start, end) = (Self.placeholder.prefix(10), Self.placeholder.dropFirst(10))
        let output = try await shell(
            "(head -c 70000 /dev/zero | tr '\\0' x; printf '\(start)'; sleep 0.5; printf '\(end)'; sleep 0.5; echo) | "
                + "curl -s -m 20 \(version) --cacert \(setting.gateway.certificate) -H 'Transfer-Encoding: chunked' -T -"
                + " --connect-to other.example.com:443:127.0.0.1:\(setting.other) https://other.example.com/echo -w ' %{http_code}'"
        )
        #expect(output.text.hasSuffix("may not go\n 403"), "\(output.text)")
    }

    @Test("bytes that are no HTTP are searched too")
    func opaque() async throws {
        let authority = try await TestAuthority()
        try await authority.issue("DNS:other.example.com")
        let server = try await OddServer(authority, [:], options: "raw")
        let gateway = try TestGateway(authority)
        let port = try gateway.listen(.init(target: server.port, serverName: "other.example.com"))
        let output = try await shell(
            "(printf '\\001before '; sleep 1; printf 'x\(Self.placeholder)x'; sleep 1) | timeout 20 openssl s_client -quiet -no_ign_eof"
                + " -CAfile \(gateway.certificate) -servername other.example.com -connect 127.0.0.1:\(port) 2>/dev/null"
        )
        #expect(output.text == "\u{1}before ")
        #expect(try await gateway.refusal().reason == .placeholder)
    }

    @Test("where it is not to be replaced, a placeholder reaches its own host as it is, and the host hears of it")
    func unreplaced() async throws {
        let setting = try await Setting { $0.secrets[0].places = [.headers] }
        for arguments in [["-d", "a=\(Self.placeholder)"], ["-u", "a:\(Self.placeholder)"]] {
            let output = try await curl(setting, setting.allowed, "api.example.com", arguments, "/echo")
            #expect(output.contains("\n200 ") && !output.contains("v4lue") && !output.contains("djRsdWU"))
        }
        let events = try await setting.gateway.events(2) { if case .unreplaced = $0 { true } else { false } }
        #expect(events.count == 2)
    }

    @Test(
        "a body that is too long to be searched is refused, and one of another type passes",
        arguments: ["--http1.1", "--http2"])
    func longBodies(_ version: String) async throws {
        let setting = try await Setting()
        try await shell("head -c 1100000 /dev/zero | tr '\\0' ' ' > \(setting.gateway.directory.path)/body")
        let body = "@\(setting.gateway.directory.path)/body"
        for framing in ["X-A: 1", "Transfer-Encoding: chunked"] {
            let output = try await curl(
                setting, setting.allowed, "api.example.com",
                [version, "-H", "Content-Type: application/json", "-H", framing, "--data-binary", body], "/echo")
            #expect(output.contains("\n413 "), "\(output)")
        }
        let other = try await curl(
            setting, setting.allowed, "api.example.com",
            [version, "-H", "Content-Type: text/plain", "--data-binary", body], "/echo")
        #expect(other.contains("\"count\": 1100000"))
    }

    @Test("plain HTTP has the value only where the user allows it, and the sandbox's own DNS gave the address")
    func plainHTTP() async throws {
        let setting = try await Setting { $0.secrets[0].allowsPlainHTTP = true }
        let header = ["-H", "X-A: \(Self.placeholder)"]
        func get(_ resolved: [String]) async throws -> String {
            let port = try setting.gateway.listen(
                .init(
                    target: setting.server.plainPort, scheme: .http, serverName: nil, port: 80, resolvedNames: resolved)
            )
            return try await setting.gateway.plainCurl(port, "/echo", host: "api.example.com", header[0], header[1])
        }
        #expect(try await get(["api.example.com"]).contains("v4lue"))
        #expect(try await get([]).hasSuffix("403"))
        let careful = try await Setting()
        let port = try careful.gateway.listen(
            .init(
                target: careful.server.plainPort, scheme: .http, serverName: nil, port: 80,
                resolvedNames: ["api.example.com"]))
        #expect(
            try await careful.gateway.plainCurl(port, "/echo", host: "api.example.com", header[0], header[1]).hasSuffix(
                "403"))
    }

    @Test("values that cannot be sent are named, and never shown", arguments: ["line\nbreak", "\u{1}"])
    func badValues(_ value: String) async throws {
        let (socket, other) = try InterceptionSocket.pair()
        let nothing = try Descriptor(opening: "/dev/null", O_RDWR)
        let process = Background(
            pid: try spawn(
                [try TestProgram.path("sandpiper-tls")], [(nothing, 0), (nothing, 1), (other, 3)], inNewSession: true))
        let directory = try TestDirectory()
        let secret = SecretDescription(
            name: "BROKEN", placeholder: Self.placeholder,
            hosts: [try #require(HostPattern("api.example.com"))])
        try socket.configure(
            InterceptionConfiguration(authorityDirectory: "\(directory.path)/ca", secrets: [secret]),
            values: SecretValues([value]).file)
        guard case .failed(let line) = try #require(try socket.nextEvent(waits: true)) else {
            Issue.record("it went on")
            return
        }
        #expect(line.contains("secret BROKEN cannot be used: its value has a line break"))
        #expect(!line.contains(value))
        withExtendedLifetime(process) {}
    }

    @Test(
        "after its requests a value is in one place of the process's memory, and nowhere else",
        .enabled(if: geteuid() == 0, "needs root to look into the process"), arguments: ["--http1.1", "--http2"])
    func residue(_ version: String) async throws {
        let setting = try await Setting()
        // The connection stays while the memory is searched: a download that takes its time follows the requests on it.
        try await shell("head -c 30000000 /dev/zero > \(setting.server.directory.path)/www/slow")
        var words = [version, "--cacert", setting.gateway.certificate, "-s", "-o", "/dev/null"]
        words += ["--connect-to", "api.example.com:443:127.0.0.1:\(setting.allowed)"]
        var line = "curl"
        for (index, request) in Self.requests.enumerated() {
            line += (index == 0 ? " " : " --next ")
            line += (words + request.arguments + ["https://api.example.com\(request.path)"])
                .map { "'\($0.replacing("'", with: "'\\''"))'" }.joined(separator: " ")
        }
        line += " --next " + words.map { "'\($0)'" }.joined(separator: " ")
        line += " --limit-rate 3M https://api.example.com/slow"
        let pid = setting.gateway.process.pid
        let output = try await shell("(\(line)) & sleep 3; python3 -B - \(pid) <<'END'\n\(Self.search)\nEND\nkill $!")
        #expect(
            output.text
                == "v4lue\"of&the secret 1\nv4lue%22of%26the%20secret 0\nv4lue\\\"of&the 0\ndXNlcjp2NGx1ZSJvZiZ0aGUgc2VjcmV0 0\nplaceholder >0\n",
            "\(output.errors)")
        for name in ["environ", "cmdline", "status", "maps"] {
            let text = String(decoding: try FileTree.read("/proc/\(pid)/\(name)", limit: 16 << 20), as: UTF8.self)
            #expect(!text.contains("v4lue"))
        }
        #expect(!setting.gateway.allEvents.contains("v4lue"))
        for name in try FileTree.names(in: "\(setting.gateway.directory.path)/ca") {
            let text = String(
                decoding: try FileTree.read("\(setting.gateway.directory.path)/ca/\(name)"), as: UTF8.self)
            #expect(!text.contains("v4lue"))
        }
    }

    /// Counts the forms of the value in the memory of a process.
    private static let search = """
        import sys
        forms = [b'v4lue"of&the secret', b'v4lue%22of%26the%20secret', b'v4lue\\\\"of&the', b'dXNlcjp2NGx1ZSJvZiZ0aGUgc2VjcmV0']
        counts, seen = [0] * len(forms), 0
        with open(f"/proc/{sys.argv[1]}/maps") as maps, open(f"/proc/{sys.argv[1]}/mem", "rb", 0) as memory:
            for line in maps:
                start, end = (int(number, 16) for number in line.split()[0].split("-"))
                try:
                    memory.seek(start)
                    content = memory.read(end - start)
                except (OSError, OverflowError): continue
                for index, form in enumerate(forms): counts[index] += content.count(form)
                seen += content.count(b"sandpiper-secret-0123456789abcdef")
        for form, count in zip(forms, counts): print(form.decode(), count)
        print("placeholder", ">0" if seen else 0)
        """
}
