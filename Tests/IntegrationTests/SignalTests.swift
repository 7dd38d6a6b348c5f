import Glibc
import LinuxSystem
import Testing

/// Signals to the client, which are meant for the command in the sandbox.
@Suite(.needsMachines) struct SignalTests {
    @Test("a signal reaches the command, which may end in its own way", arguments: [SIGINT, SIGTERM, SIGHUP, SIGQUIT])
    func passedOn(signal: Int32) async throws {
        try await TestHome.with { home in
            let script = "trap 'exit 5' INT TERM HUP QUIT; echo up; while :; do sleep 0.1; done"
            let outcome = try await home.sandpiper("run", "busybox", "--", "sh", "-c", script) { command in
                try await command.expectLine("up")
                command.signal(signal)
            }
            #expect(outcome.status == 5, "\(outcome.error)")
        }
    }

    @Test("a command that ignores control-C is ended by the third")
    func insistence() async throws {
        try await TestHome.with { home in
            let script = "trap 'echo ignored' INT; echo up; while :; do sleep 0.1; done"
            let outcome = try await home.sandpiper("run", "busybox", "--", "sh", "-c", script) { command in
                try await command.expectLine("up")
                for _ in 0..<2 {
                    command.signal(SIGINT)
                    try await command.expectLine("ignored")
                }
                command.signal(SIGINT)
            }
            #expect(outcome.status == 128 + SIGINT)
        }
    }

    @Test("a command that ignores SIGTERM is ended all the same")
    func grace() async throws {
        try await TestHome.with { home in
            let outcome = try await home.sandpiper(
                "run", "busybox", "--", "sh", "-c", "trap '' TERM; echo up; sleep 1000"
            ) { command in
                try await command.expectLine("up")
                command.signal(SIGTERM)
            }
            #expect(outcome.status == 128 + SIGKILL)
        }
    }

    @Test("the processes that a command leaves behind end with it")
    func background() async throws {
        try await TestHome.with { home in
            let outcome = try await home.busybox("sleep 1000 & setsid sleep 1000 & exit 6")
            #expect(outcome.status == 6)
        }
    }
}
