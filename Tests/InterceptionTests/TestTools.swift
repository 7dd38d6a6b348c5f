import Glibc
import LinuxSystem
import Subprocess
import Testing

/// A directory that goes with the test.
final class TestDirectory: Sendable {
    let path: String

    init() throws {
        let parent = getenv("TMPDIR").map { String(cString: $0) } ?? "/tmp"
        path = "\(parent)/sandpiper-tls-\(getpid())-\(UInt32.random(in: .min ... .max))"
        try FileTree.makeDirectory(path, mode: 0o755)
    }

    deinit { try? FileTree.removeTree(path) }

    func write(_ name: String, _ text: String) throws {
        try FileTree.writeAtomically(Array(text.utf8), to: "\(path)/\(name)", mode: 0o644)
    }
}

/// What a program wrote, and how it ended.
struct Output {
    let text: String
    let errors: String
    let succeeded: Bool
}

/// Runs a program that ends by itself.
@discardableResult
func run(_ arguments: [String], input: String = "") async throws -> Output {
    // Finds a program by name or path.
    let result = try await Subprocess.run(
        .name("env"), arguments: Arguments(arguments), input: .string(input),
        output: .string(limit: 8 << 20), error: .string(limit: 1 << 20))
    return Output(
        text: result.standardOutput, errors: result.standardError,
        succeeded: result.terminationStatus.isSuccess)
}

/// Runs a line of shell.
@discardableResult
func shell(_ line: String) async throws -> Output { try await run(["timeout", "120", "bash", "-c", line]) }

/// A program that goes on until the test ends.
final class Background: Sendable {
    let pid: pid_t

    init(_ arguments: [String]) throws {
        let nothing = try Descriptor(opening: "/dev/null", O_RDWR)
        pid = try spawn(arguments, [(nothing, 0), (nothing, 1), (nothing, 2)], inNewSession: true)
    }

    init(pid: pid_t) { self.pid = pid }

    deinit {
        kill(pid, SIGKILL)
        var status: Int32 = 0
        waitpid(pid, &status, 0)
    }
}

enum TestProgram {
    /// The program, as it is released where that is built, else as it lies beside the tests.
    static func path(_ name: String) throws -> String {
        let folder = CommandLine.arguments.first?.split(separator: "/").dropLast().map { "/" + $0 }.joined() ?? ""
        let released = getenv("SANDPIPER_TEST_EXECUTABLES").map { String(cString: $0) } ?? folder
        for place in [released, folder, ".build/debug"] where access("\(place)/\(name)", X_OK) == 0 {
            return "\(place)/\(name)"
        }
        throw SystemError("find", name, number: ENOENT)
    }
}

/// An authority that signs servers' certificates, made by openssl.
final class TestAuthority: Sendable {
    let directory: TestDirectory
    var certificate: String { "\(directory.path)/ca.pem" }

    init() async throws {
        directory = try TestDirectory()
        try await openssl(
            "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 30 -subj '/CN=Test authority'"
                + " -keyout ca.key -out ca.pem")
        try await openssl(
            "req -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -subj /CN=server"
                + " -keyout server.key -out server.csr")
    }

    private func openssl(_ arguments: String) async throws {
        let output = try await shell("cd \(directory.path) && openssl \(arguments)")
        try #require(output.succeeded, "openssl: \(output.errors)")
    }

    /// A certificate for these names; `dates` are further arguments of openssl ca(1).
    /// - Returns: the path without `.pem`; the key is `server.key` in the same directory.
    func issue(_ names: String, dates: String = "-days 10", as file: String = "server") async throws {
        let setup =
            "mkdir -p db-\(file); : > db-\(file)/index; echo 01 > db-\(file)/serial; "
            + "printf '[ca]\\ndefault_ca=d\\n[d]\\ndatabase=db-\(file)/index\\nserial=db-\(file)/serial\\nnew_certs_dir=db-\(file)\\n"
            + "default_md=sha256\\npolicy=p\\n[p]\\ncommonName=optional\\n[e]\\nsubjectAltName=\(names)\\n' > db-\(file)/conf"
        let output = try await shell(
            "cd \(directory.path) && \(setup) && openssl ca -batch -config db-\(file)/conf -extensions e -in server.csr"
                + " -cert ca.pem -keyfile ca.key -notext -out \(file).pem \(dates)")
        try #require(output.succeeded, "openssl ca: \(output.errors)")
    }

    /// A certificate that has signed itself.
    func selfSign(_ names: String, as file: String) async throws {
        try await openssl(
            "req -x509 -key server.key -days 10 -subj /CN=self -addext 'subjectAltName=\(names)' -out \(file).pem")
    }
}
