import Glibc
import LinuxSystem
import Sandpiper
import Subprocess
import Testing

@Suite("Secrets of the library", .needsMachines, .timeLimit(.minutes(5)))
struct InterceptionTests {
    /// Takes one request and prints its field `X`.
    private static let server = """
        import http.server, os, sys
        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                print(self.headers["X"], end="", flush=True)
                self.send_response(204)
                self.end_headers()
            def log_message(self, *words): pass
        server = http.server.HTTPServer(("127.0.0.1", 0), Handler)
        server.timeout = 120
        with open(sys.argv[1] + ".new", "w") as file: file.write(str(server.server_port))
        os.rename(sys.argv[1] + ".new", sys.argv[1])
        server.handle_request()
        """

    @Test("a program uses a secret that it never sees")
    func secret() async throws {
        let home = try #require(try await TestHost.shared.host.home)
        let (file, port) = ("\(home)/secret", "\(home)/port")
        try FileTree.writeAtomically(Array("the value\n".utf8), to: file, mode: 0o600)
        async let served = run(
            .name("python3"), arguments: ["-B", "-c", Self.server, port], output: .string(limit: 4096),
            error: .discarded)
        for _ in 0..<1000 where !FileTree.exists(port) { try await Task.sleep(for: .milliseconds(10)) }
        let address = "host.sandpiper.internal:\(String(decoding: try FileTree.read(port), as: UTF8.self))"
        var network = Sandbox.Network(try NetworkPolicy(allowing: ["host"]))
        network.interception = .init(secrets: [
            try .init("TOKEN", from: .file(file), hosts: ["host.sandpiper.internal"], allowsPlainHTTP: true)
        ])
        try await TestHost.withSandbox(options: .init(network: network)) { sandbox in
            let output = try await sandbox.exec([
                "sh", "-c", "echo $TOKEN; wget -q -O- --header \"X: $TOKEN\" http://\(address)/",
            ])
            #expect(output.standardOutput.text.hasPrefix("sandpiper-secret-"))
        }
        #expect(try await served.standardOutput == "the value")
    }

    @Test("a secret that cannot be had stops the start, and nothing is left")
    func missing() async throws {
        var network = Sandbox.Network()
        network.interception = .init(secrets: [
            try .init("TOKEN", from: .file("/none/there"), hosts: ["api.example.com"])
        ])
        let host = try await TestHost.shared.host
        let error = await #expect(throws: SandpiperError.self) {
            try await Sandbox.create(
                image: "busybox", options: .init(name: "without-secret", network: network), on: host)
        }
        #expect("\(try #require(error))".contains("the secret 'TOKEN' cannot be used"))
        await #expect(throws: SandpiperError.self) { try await Sandbox.find("without-secret", on: host) }
    }

    @Test("secrets that make no sense are refused")
    func refused() {
        #expect(throws: SandpiperError.self) { try Sandbox.Secret("A B", hosts: ["api.example.com"]) }
        #expect(throws: SandpiperError.self) { try Sandbox.Secret("A", hosts: ["https://api.example.com"]) }
        #expect(throws: SandpiperError.self) { try Sandbox.Secret("A", from: .file("relative"), hosts: ["a.example"]) }
    }
}
