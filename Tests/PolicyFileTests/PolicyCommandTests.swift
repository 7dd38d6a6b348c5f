import Foundation
import Testing

@Suite("sandpiper policy")
struct PolicyCommandTests {
    /// Runs the program under test, which lies beside the tests, with a policy on its standard input.
    private func run(_ arguments: [String], input: String = "") throws -> (status: Int32, output: String, error: String)
    {
        let here = try FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")
        let process = Process()
        process.executableURL = URL(fileURLWithPath: here).deletingLastPathComponent()
            .appendingPathComponent("sandpiper-policy")
        process.arguments = arguments
        let (stdin, stdout, stderr) = (Pipe(), Pipe(), Pipe())
        (process.standardInput, process.standardOutput, process.standardError) = (stdin, stdout, stderr)
        try process.run()
        // What is written and read here is less than a pipe holds.
        stdin.fileHandleForWriting.write(Data(input.utf8))
        stdin.fileHandleForWriting.closeFile()
        let output = stdout.fileHandleForReading.readDataToEndOfFile()
        let error = stderr.fileHandleForReading.readDataToEndOfFile()
        process.waitUntilExit()
        return (
            process.terminationStatus, String(decoding: output, as: UTF8.self), String(decoding: error, as: UTF8.self)
        )
    }

    private static let policy = """
        rules:
          - deny: bad.example.com
          - allow: ["api.example.com:443", "*.example.net"]
          - allow: "10.0.0.0/8:5432/tcp"
        """

    @Test(
        "a destination is allowed or refused by the rule that says so",
        arguments: [
            ("api.example.com:443", 0, "handshake  rule 2: allow api.example.com:443"),
            ("api.example.com:80", 1, "address    "), ("x.example.net:22", 0, "handshake  rule 3: allow *.example.net"),
            ("bad.example.com:443", 1, "name       rule 1: deny bad.example.com"),
            ("example.net:443", 1, "name       default deny, as no rule matches"),
            ("10.0.0.1:5432", 0, "rule 4: allow 10.0.0.0/8:5432/tcp"),
            ("10.0.0.1:5432/udp", 1, "no name that is allowed"),
            ("x.example.net:443/udp", 1, "QUIC"), ("ingress:10.0.0.1:80", 0, "default allow"),
            ("x.example.net/icmp", 0, "address    rule 3"),
        ] as [(String, Int32, String)])
    func explained(destination: String, status: Int32, says: String) throws {
        let outcome = try run(["test", "-", destination], input: Self.policy)
        #expect(outcome.status == status && outcome.output.contains(says), "\(outcome)")
        #expect(outcome.output.hasPrefix(status == 0 ? "allow  \(destination)\n" : "deny  \(destination)\n"))
    }

    @Test("one of several destinations that is refused is a refusal, and JSON has a line for each")
    func several() throws {
        let outcome = try run(["policy", "test", "--json", "public", "a.example:443", "10.0.0.1:22"])
        #expect(outcome.status == 1)
        let lines = outcome.output.split(separator: "\n")
        #expect(lines.count == 2 && lines[0].hasPrefix(#"{"action":"allow","destination":"a.example:443""#))
        #expect(lines.last?.contains(#""reason":"default deny, as no rule matches""#) == true)
    }

    @Test("a policy is compiled to the form of records, which compiles to itself")
    func compiled() throws {
        let outcome = try run(["compile", "-"], input: Self.policy)
        #expect(
            outcome.output
                == #"{"egress":"deny","ingress":"allow","recordsAllowed":false,"rules":[{"deny":"bad.example.com"},"#
                + #"{"allow":"api.example.com:443"},{"allow":"*.example.net"},{"allow":"10.0.0.0/8:5432/tcp"}]}"# + "\n"
        )
        #expect(try run(["compile", "-"], input: outcome.output).output == outcome.output)
    }

    @Test("a rule that is never reached is pointed out")
    func checked() throws {
        let outcome = try run(
            ["check", "-"], input: "rules: [{allow: '*.a.example'}, {deny: 'x.a.example:80'}, {allow: public}]")
        #expect(outcome.status == 0)
        #expect(outcome.output.contains("rule 2 (deny x.a.example:80) is never reached: rule 1 (allow *.a.example)"))
        #expect(outcome.output.hasPrefix("3 rules; else egress: deny, ingress: allow\nnames: all are resolved\n"))
    }

    @Test(
        "what is wrong is one line on stderr, and status 125",
        arguments: [
            (["check", "-"], "rules:\n- allow: privat", "-:2: 'privat' is no group"),
            (["check", "/no/file"], "", "/no/file"),
            (["test", "public", "a.example"], "", "no destination"), (["test", "public"], "", "destination"),
            (["compile", "-"], "", "empty"),
        ])
    func wrong(arguments: [String], input: String, says: String) throws {
        let outcome = try run(arguments, input: input)
        #expect(outcome.status == 125 && outcome.output.isEmpty && outcome.error.contains(says), "\(outcome)")
        #expect(outcome.error.hasPrefix("sandpiper: "))
    }
}
