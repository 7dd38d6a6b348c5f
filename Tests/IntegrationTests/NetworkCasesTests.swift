import FoundationEssentials
import Testing

/// What sandboxes try on the network of the lab, and what becomes of it: the tables in `Tests/Network`.
@Suite(.needsMachines) struct NetworkCasesTests {
    /// The tables of policies, each with a sandbox and a lab of its own.
    static let policies = [
        "addresses", "all", "changes", "denials", "dns", "dns_server", "events", "host", "ingress", "limits", "lives",
        "names", "no_ping", "none", "options", "packets", "ports", "private", "proxy", "public", "published",
        "rebinding",
    ]

    /// Those of interception and secrets: a guest that is emulated has much to do for each handshake.
    static let interception = [
        "interception", "interception_load", "interception_names", "interception_private",
        "secrets", "secrets_lives",
    ]

    @Test("a sandbox reaches what its policy allows, and each refusal is prompt and told of", arguments: policies)
    func policy(_ table: String) async throws {
        try await TestHome.with(["network.tar"]) { home in
            try await NetworkCases("cases/\(table).json").run(in: home, patience: .seconds(300))
        }
    }

    @Test(
        "what is opened on the host is judged, carried and trusted, and values go to their hosts only",
        arguments: interception)
    func intercepted(_ table: String) async throws {
        try await TestHome.with(["network.tar"]) { home in
            try await NetworkCases("cases/\(table).json").run(in: home, patience: .seconds(900))
        }
    }

    @Test("200 MB through interception arrive as they were sent", .isLong)
    func largeDownloads() async throws {
        try await TestHome.with(["network.tar"]) { home in
            try await NetworkCases("cases/interception_load.json").run(
                in: home, ["--only", "large", "--bytes", "\(200 << 20)"], patience: .seconds(900))
        }
    }

    @Test("every table is run, and there are enough of them")
    func tables() throws {
        let found = try FileManager.default.contentsOfDirectory(atPath: "\(Built.network)/cases")
        #expect(found.sorted() == (Self.policies + Self.interception).map { $0 + ".json" }.sorted())
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
