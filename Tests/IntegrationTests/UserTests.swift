import Testing

/// `-u`, with Docker's meaning, over the image's own passwd and group files.
@Suite(.needsMachines) struct UserTests {
    /// What `-u` says, and the user, group, further groups and home that it makes of the command.
    static let users: [(option: String, identity: String)] = [
        ("worker", "1000 1000 1000 2000 2001 /home/worker"),
        ("1000", "1000 1000 1000 2000 2001 /home/worker"),
        ("worker:writers", "1000 2001 2001 /home/worker"),
        ("1234", "1234 0 0 /"),
        ("1234:2345", "1234 2345 2345 /"),
        ("nobody", "65534 65534 65534 2001 /nonexistent"),
    ]

    @Test("-u takes names, numbers and groups", arguments: users)
    func identity(option: String, identity: String) async throws {
        try await TestHome.with { home in
            let outcome = try await home.busybox("echo $(id -u) $(id -g) $(id -G) $HOME", options: ["-u", option])
            #expect(outcome.output == identity + "\n", "\(outcome.error)")
        }
    }

    @Test("another user than root has no privileges")
    func privileges() async throws {
        try await TestHome.with { home in
            let outcome = try await home.busybox(
                "grep CapEff /proc/self/status; hostname mine 2>&1; touch /etc/mine 2>&1; touch ~/mine && echo own",
                options: ["-u", "worker"])
            #expect(outcome.lines.first == "CapEff:\t0000000000000000")
            #expect(outcome.lines.filter { $0.contains("ermi") }.count == 2, "\(outcome.output)")
            #expect(outcome.lines.last == "own")
        }
    }
}
