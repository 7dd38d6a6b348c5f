import FoundationEssentials
import Glibc
import LinuxSystem
import Testing

/// What sandboxes try on the network of the lab, and what becomes of it: the tables in `Tests/Network`.
@Suite(.needsMachines) struct NetworkCasesTests {
    /// The tables of policies, each with a sandbox and a lab of its own.
    static let policies = [
        "addresses", "all", "changes", "denials", "dns", "dns_server", "events", "host", "ingress", "limits", "lives",
        "names", "no_ping", "none", "options", "packets", "ports", "private", "proxy", "public", "published",
        "rebinding",
    ]

    @Test("a sandbox reaches what its policy allows, and each refusal is prompt and told of", arguments: policies)
    func policy(_ table: String) async throws {
        try await TestHome.with(["network.tar"]) { home in
            try await NetworkCases("cases/\(table).json").run(in: home, patience: .seconds(300))
        }
    }

    @Test("every table is run, and there are enough of them")
    func tables() throws {
        let found = try FileManager.default.contentsOfDirectory(atPath: "\(Built.network)/cases")
        #expect(found.sorted() == Self.policies.map { $0 + ".json" })
        #expect(try Self.policies.map { try NetworkCases("cases/\($0).json").names.count }.reduce(0, +) >= 120)
    }

    @Test("real clients and servers work: small transfers")
    func clients() async throws {
        try await TestHome.with(["network.tar"]) { home in
            try await NetworkCases("clients/clients.json").run(in: home, patience: .seconds(600))
        }
    }

    @Test("a gibibyte each way arrives as it was sent", .isLong)
    func gibibyte() async throws {
        try await TestHome.with(["network.tar"]) { home in
            try await NetworkCases("clients/clients.json").run(
                in: home, ["--only", "bytes", "--bytes", "\(1 << 30)"], patience: .seconds(900))
        }
    }
}

/// A table of cases, which `run_cases.py` runs.
private struct NetworkCases {
    /// A line that the program prints.
    private struct Line: Decodable {
        let name: String
        let isFine: Bool
        let wrong: String?

        enum CodingKeys: String, CodingKey {
            case name = "case"
            case isFine = "ok"
            case wrong
        }
    }

    private struct Table: Decodable {
        struct Case: Decodable {
            let name: String
            enum CodingKeys: String, CodingKey { case name = "case" }
        }
        let cases: [Case]
    }

    private let path: String
    /// What each case is called.
    let names: [String]

    init(_ file: String) throws {
        path = "\(Built.network)/\(file)"
        names = try JSONDecoder().decode(Table.self, from: Data(FileTree.read(path, limit: 1 << 20))).cases.map(\.name)
    }

    /// Runs them in a home that has their image, and expects each to be as it should.
    func run(in home: TestHome, _ options: [String] = [], patience: Duration) async throws {
        let words = ["--executables", Built.executables ?? "", "--home", home.path] + options + [path]
        let quoted = words.map { "'\($0)'" }.joined(separator: " ")
        let outcome = try await home.host("python3 -B '\(Built.network)/run_cases.py' \(quoted)", patience: patience)
        let lines = try outcome.lines.map { try JSONDecoder().decode(Line.self, from: Data($0.utf8)) }
        for line in lines where !line.isFine { Issue.record("\(line.name): \(line.wrong ?? "")") }
        #expect(options.isEmpty ? lines.map(\.name) == names : !lines.isEmpty, "\(outcome.error)")
    }
}
