import Testing

/// Values of secrets are nowhere but where they are used.
@Suite(.needsMachines) struct SecretSearchTests {
    @Test("a whole life of a sandbox leaves no value of a secret in files, output, processes and frozen memory")
    func search() async throws {
        try await TestHome.with(["network.tar"]) { home in
            let stages = try await NetworkCases.run("secret_search.py", in: home, patience: .seconds(900))
            #expect(stages.count >= 9, "\(stages)")
        }
    }
}
