import FoundationEssentials
import Glibc
import LinuxSystem
import Subprocess
import SystemPackage
import Testing

/// A server that a test talks to, one of those in `Tests/Registries`. It lives while the test's body runs.
struct TestServer: Sendable {
    /// Where it listens, `HOST:PORT`.
    let address: String
    /// Another host and port of a misbehaving registry, where it sends clients.
    let other: String?
    /// The path of the certificate of the authority that vouches for the server, or for a token server's key.
    let authority: String?
    /// The digest of what every tag of a misbehaving registry stands for.
    let digest: String?
    /// The URL at which a token server issues tokens.
    let realm: String?
    private let log: String
    private let output: LineReader

    /// A request that a server was sent, as its log has it. Each server tells some of it.
    struct Request: Decodable {
        /// `main`, or `other` when it arrived at the other address.
        let server: String?
        let method: String
        let path: String?
        let range: String?
        /// The scheme of the Authorization header, in lower case.
        let authorization: String?
        /// What a proxy was asked for.
        let target: String?
        let grant: String?
        let account: String?
        let scopes: [String]?
        let status: Int?
    }

    /// The requests so far, in the order they came.
    func requests() throws -> [Request] {
        try FileTree.read(log, limit: 16 << 20).split(separator: UInt8(ascii: "\n")).map { line in
            try JSONDecoder().decode(Request.self, from: Data(line))
        }
    }

    /// Waits for the next line that the server prints after it is ready: a stalling registry prints one each time.
    func waitForEvent() async throws { _ = try #require(try await output.next(), "the server has ended") }

    /// The text of the log.
    func logText() throws -> String { String(decoding: try FileTree.read(log, limit: 16 << 20), as: UTF8.self) }

    // MARK: Kinds of servers

    /// What Debian's docker-registry may be told.
    enum Setting {
        /// To ask for this user's password.
        case user(String, password: String)
        /// To speak TLS, under an authority of its own.
        case tls
        /// To speak TLS with a certificate that is not valid any more.
        case expired
        /// To ask for tokens of this server.
        case tokens(TestServer)
        /// To fetch what it lacks from another registry.
        case mirror(of: TestServer)

        fileprivate var arguments: [String] {
            switch self {
            case .user(let name, let password): ["--htpasswd", "\(name):\(password)"]
            case .tls: ["--tls"]
            case .expired: ["--tls", "--expired"]
            case .tokens(let server):
                ["--token-realm", server.realm ?? "", "--token-ca", server.authority ?? ""]
            case .mirror(let server): ["--mirror-of", "http://\(server.address)"]
            }
        }
    }

    /// Runs `body` with Debian's docker-registry, which is empty.
    static func registry(
        _ settings: Setting..., body: (TestServer) async throws -> Void
    ) async throws {
        try await with("docker_registry", settings.flatMap(\.arguments), body: body)
    }

    /// Runs `body` with a registry that has one image under every name, and misbehaves.
    /// - Parameters:
    ///   - kind: what it serves, and `fault`: how, as `misbehaving_registry.py --list` tells.
    ///   - image: the name of an archive in OCI layout that `kind` is made from.
    static func misbehaving(
        serving kind: String = "whole", fault: String? = nil, _ options: [String] = [],
        image: String = "busybox.oci.tar", body: (TestServer) async throws -> Void
    ) async throws {
        let fault = fault.map { ["--fault", $0] } ?? []
        try await with(
            "misbehaving_registry", ["--image", Built.image(image), "--serve", kind] + fault + options, body: body)
    }

    /// Runs `body` with a server that issues tokens.
    static func tokens(
        _ options: [String], body: (TestServer) async throws -> Void
    ) async throws { try await with("token_server", options, body: body) }

    /// Runs `body` with a proxy for HTTP.
    static func proxy(
        _ options: String..., body: (TestServer) async throws -> Void
    ) async throws { try await with("http_proxy", options, body: body) }

    // MARK: Its life

    /// What a server prints when it is ready.
    private struct Ready: Decodable {
        let address: String
        let other: String?
        let ca: String?
        let digest: String?
        let realm: String?
        let log: String
    }

    private init(_ ready: Ready, output: LineReader) {
        self.output = output
        address = ready.address
        other = ready.other
        authority = ready.ca
        digest = ready.digest
        realm = ready.realm
        log = ready.log
    }

    private static func with(
        _ program: String, _ options: [String], body: (TestServer) async throws -> Void
    ) async throws {
        // Should this process die, the server sees that its input ends.
        let input = try Descriptor.pipe()
        defer { withExtendedLifetime(input) {} }
        let result = try await Subprocess.run(
            .name("python3"), arguments: Arguments(["-B", "\(Built.servers)/\(program).py"] + options),
            environment: .inherit,
            input: .fileDescriptor(.init(rawValue: input.read.rawValue), closeAfterSpawningProcess: false),
            output: .sequence, error: .fileDescriptor(.standardError, closeAfterSpawningProcess: false)
        ) { execution -> (any Error)? in
            // An error is not thrown through here: the server would be killed before it has removed what it made.
            defer { kill(execution.processIdentifier.value, SIGTERM) }
            do {
                let output = LineReader(execution.standardOutput)
                let line = try #require(try await output.next(), "\(program) did not start")
                try await body(TestServer(JSONDecoder().decode(Ready.self, from: Data(line.utf8)), output: output))
                return nil
            } catch { return error }
        }
        if let error = result.closureResult { throw error }
    }
}
