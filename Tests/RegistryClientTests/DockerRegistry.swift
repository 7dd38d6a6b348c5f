import Foundation
import Subprocess
import Testing

/// Debian's `docker-registry` on a free port of this host.
struct DockerRegistry {
    let port: Int
    var name: String { "127.0.0.1:\(port)" }

    /// How it is set up.
    struct Setup {
        /// A file of htpasswd.
        var passwords: String?
        /// Files of PEM.
        var certificate: (chain: String, key: String)?
    }

    /// Runs a registry while `body` runs.
    static func run(
        in folder: TemporaryFolder, _ setup: Setup = Setup(), body: (DockerRegistry) async throws -> Void
    ) async throws {
        let auth = setup.passwords.map { "auth: {htpasswd: {realm: test, path: \($0)}}" } ?? ""
        let tls = setup.certificate.map { ", tls: {certificate: \($0.chain), key: \($0.key)}" } ?? ""
        let file = try folder.write(
            """
            version: 0.1
            log: {level: info, accesslog: {disabled: true}}
            storage: {filesystem: {rootdirectory: \(folder.path)/\(UUID().uuidString)}}
            http: {addr: "127.0.0.1:0", secret: test\(tls)}
            \(auth)
            """, to: "registry-\(UUID().uuidString).yml")
        _ = try await Subprocess.run(
            .path("/usr/bin/docker-registry"), arguments: ["serve", file],
            environment: .custom(["PATH": "/usr/bin:/bin", "OTEL_TRACES_EXPORTER": "none"]), input: .none,
            output: .discarded, error: .sequence
        ) { execution in
            // The registry must not outlive the test, nor stop at a full pipe.
            defer { try? execution.send(signal: .kill) }
            try await withThrowingTaskGroup(of: Void.self) { group in
                let ports = AsyncStream<Int>.makeStream()
                group.addTask {
                    defer { ports.continuation.finish() }
                    for try await line in execution.standardError.strings() {
                        guard let start = line.range(of: "listening on 127.0.0.1:")?.upperBound else { continue }
                        if let port = Int(line[start...].prefix { $0.isNumber }) { ports.continuation.yield(port) }
                    }
                }
                defer { group.cancelAll() }
                var iterator = ports.stream.makeAsyncIterator()
                try await body(DockerRegistry(port: try #require(await iterator.next())))
            }
        }
    }
}

/// Runs a program to its end, and expects it to succeed.
@discardableResult
func run(_ program: String, _ arguments: String...) async throws -> String {
    let result = try await Subprocess.run(
        .name(program), arguments: Arguments(arguments), output: .string(limit: 1 << 20), error: .string(limit: 1 << 20)
    )
    #expect(result.terminationStatus.isSuccess, "\(program): \(result.standardError)")
    return result.standardOutput
}
