import Glibc
import OCI
import Subprocess

#if canImport(System)
    import System
#else
    import SystemPackage
#endif

/// A program `docker-credential-NAME` that keeps credentials (docker-credential-helpers, "Development").
struct CredentialHelper: Sendable {
    let name: String
    let environment: [String: String]
    let time: Duration

    /// The largest answer, in bytes.
    private static let answerSize = 64 << 10

    /// What the program knows about a server; `nil` when it knows nothing.
    /// - Parameter server: the name under which the credential was kept, for example `https://index.docker.io/v1/`.
    /// - Throws: ``RegistryError/helper(name:reason:)``; the message shows nothing that the program wrote.
    func get(server: String) async throws(RegistryError) -> Credential? {
        let isName =
            !name.isEmpty && name.utf8.count <= 64
            && name.utf8.allSatisfy { byte in
                (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(byte | 0x20)
                    || (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) || "-_.".utf8.contains(byte)
            }
        guard isName else { throw failure("its name may have letters, digits, dots, dashes and underscores only") }
        let (output, succeeded) = try await run("get", input: server)
        guard succeeded else {
            // The protocol tells this case by its text alone.
            if output.contains("credentials not found") { return nil }
            throw failure("it failed; run it by hand: echo \(server) | docker-credential-\(name) get")
        }
        let answer: Answer
        do { answer = try BoundedJSON.decode(Answer.self, from: Array(output.utf8), document: "answer") } catch {
            throw failure("its answer is not the JSON that the protocol asks for")
        }
        guard !answer.Secret.isEmpty else { return nil }
        return answer.Username == "<token>"
            ? .identityToken(answer.Secret) : .password(username: answer.Username, password: answer.Secret)
    }

    private struct Answer: Decodable {
        // The names are the protocol's.
        var Username: String
        var Secret: String
    }

    private func failure(_ reason: String) -> RegistryError { .helper(name: name, reason: reason) }

    /// The program's path: Subprocess would look for it with the PATH of this process.
    private func find(_ program: String) -> String? {
        (environment["PATH"] ?? "").split(separator: ":").map { "\($0)/\(program)" }
            .first { $0.hasPrefix("/") && access($0, X_OK) == 0 }
    }

    private func run(_ verb: String, input: String) async throws(RegistryError) -> (output: String, succeeded: Bool) {
        let program = "docker-credential-\(name)"
        guard let path = find(program) else { throw failure("there is no such program on the PATH") }
        let variables = environment.map { Array("\($0.key)=\($0.value)".utf8) }
        do {
            return try await within(time) {
                let result = try await Subprocess.run(
                    .path(FilePath(path)), arguments: [verb], environment: .custom(variables),
                    input: .string(input), output: .string(limit: Self.answerSize), error: .discarded)
                return (result.standardOutput, result.terminationStatus.isSuccess)
            }
        } catch is CancellationError {
            throw Task.isCancelled ? .cancelled : failure("it took longer than \(time)")
        } catch { throw failure("it could not be run, or wrote more than \(Self.answerSize) bytes") }
    }
}

/// Runs `body`, and cancels it when it takes longer than `time`.
/// - Throws: `CancellationError` then.
func within<Result: Sendable>(
    _ time: Duration, _ body: @escaping @Sendable () async throws -> Result
) async throws -> Result {
    try await withThrowingTaskGroup(of: Result?.self) { group in
        group.addTask { try await body() }
        group.addTask {
            try await Task.sleep(for: time)
            return nil
        }
        defer { group.cancelAll() }
        guard let result = try await group.next() ?? nil else { throw CancellationError() }
        return result
    }
}
