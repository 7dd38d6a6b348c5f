import Testing

/// `sandpiper run` as Docker's users know it.
@Suite(.needsMachines, .serialized) struct RunTests {
    @Test("a command's output and exit status come through, stdout and stderr apart")
    func outputAndStatus() async throws {
        try await TestHome.with { home in
            let outcome = try await home.sandpiper("run", "busybox", "--", "sh", "-c", "echo out; echo err >&2; exit 7")
            #expect(outcome.status == 7)
            #expect(outcome.output == "out\n")
            #expect(outcome.error.hasSuffix("err\n"))
        }
    }
}
