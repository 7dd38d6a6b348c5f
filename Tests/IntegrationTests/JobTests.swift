import Glibc
import LinuxSystem
import Testing

/// Processes that go on without a client: their output, their list, their end.
@Suite(.needsMachines) struct JobTests {
    private let script = "for i in 1 2 3; do echo out $i; echo err $i >&2; done; exit 7"

    @Test("the output of a job is kept, by stream, line and time, also when its sandbox is stopped")
    func logs() async throws {
        try await TestHome.with { home in
            let made = try await home.sandpiper("create", "--name", "box", "busybox")
            try #require(made.status == 0, "\(made.error)")
            let nothing = try await home.sandpiper("logs", "box")
            #expect(nothing.status == 125)
            #expect(nothing.error.contains("no job in the background"))

            #expect(try await home.sandpiper("exec", "-d", "box", "sh", "-c", script).lines == ["1"])
            let followed = try await home.sandpiper("logs", "-f", "box")
            #expect(followed.status == 0)
            #expect(followed.lines == ["out 1", "out 2", "out 3"])
            #expect(followed.errorLines == ["err 1", "err 2", "err 3"])
            #expect(try await home.sandpiper("logs", "--stderr", "box").output == "")
            #expect(try await home.sandpiper("logs", "--stdout", "-n", "1", "box").lines == ["out 3"])
            #expect(try await home.sandpiper("logs", "--until", "1h", "box").output == "")
            let stamped = try await home.sandpiper("logs", "-t", "--since", "1h", "box")
            #expect(stamped.lines.first?.hasSuffix("Z out 1") == true)
            #expect(try await home.sandpiper("logs", "--job", "2", "box").error.contains("no job 2"))

            let jobs = try await home.host("sandpiper jobs --json box | jq -r '.[] | .number, .exitStatus'")
            #expect(jobs.lines == ["1", "7"])
            #expect(try await home.sandpiper("stop", "--now", "box").status == 0)
            #expect(try await home.sandpiper("logs", "box").lines == ["out 1", "out 2", "out 3"])
            #expect(try await home.sandpiper("jobs", "box").lines.last?.hasPrefix("1    ended (7)") == true)
            #expect(try await home.sandpiper("wait", "--job", "1", "box").status == 7)
            #expect(try await home.sandpiper("rm", "box").status == 0)
        }
    }

    @Test("output is followed while it comes, and the end of the sandbox ends it")
    func following() async throws {
        try await TestHome.with { home in
            let made = try await home.sandpiper(
                "create", "--name", "box", "busybox", "sh", "-c",
                "echo up; while [ ! -e /tmp/go ]; do sleep 0.1; done; echo on; sleep 1000")
            try #require(made.status == 0, "\(made.error)")
            let outcome = try await home.sandpiper("logs", "-f", "box") { command in
                try await command.expectLine("up")
                #expect(try await home.sandpiper("exec", "box", "touch", "/tmp/go").status == 0)
                try await command.expectLine("on")
                #expect(try await home.sandpiper("kill", "box").status == 0)
                #expect(try await command.line() == nil)
            }
            #expect(outcome.status == 0)
            #expect(try await home.sandpiper("rm", "box").status == 0)
        }
    }

    @Test("more output than is kept is told of, and what is kept is the newest")
    func rotation() async throws {
        try await TestHome.with { home in
            let made = try await home.sandpiper(
                "create", "--name", "box", "busybox", "sh", "-c",
                "dd if=/dev/zero bs=64k count=200 2>/dev/null; echo; echo last")
            try #require(made.status == 0, "\(made.error)")
            #expect(try await home.sandpiper("wait", "box").lines == ["0"])
            let kept = try await home.host("sandpiper logs box 2>missed | tail -n 1; wc -l < missed")
            #expect(kept.lines == ["last", "1"])
            let bytes = try await home.host("sandpiper logs box 2>/dev/null | wc -c")
            #expect((Int(bytes.lines.first ?? "") ?? 0) > 4 << 20)
            #expect((Int(bytes.lines.first ?? "") ?? .max) <= 8 << 20)
            #expect(try await home.sandpiper("rm", "box").status == 0)
        }
    }

    @Test("wait ends with the status of the main process, of a sandbox that removes itself too")
    func wait() async throws {
        try await TestHome.with { home in
            for options in [[], ["--rm"]] {
                let made = try await home.sandpiper(
                    ["create", "--name", "box"] + options + ["busybox", "sh", "-c", "sleep 1; exit 5"])
                try #require(made.status == 0, "\(made.error)")
                let ended = try await home.sandpiper("wait", "box")
                #expect(ended.status == 5)
                #expect(ended.lines == ["5"])
                #expect(try await home.sandpiper("rm", "-f", "box").status == 0)
            }
        }
    }

    @Test("wait ends when the sandbox is stopped, and says so")
    func waitForStop() async throws {
        try await TestHome.with { home in
            let made = try await home.sandpiper("create", "--name", "box", "busybox")
            try #require(made.status == 0, "\(made.error)")
            let outcome = try await home.sandpiper("wait", "box") { command in
                #expect(try await home.sandpiper("stop", "box").status == 0)
                try await command.expectLine("stopped")
            }
            #expect(outcome.status == 0)
            #expect(try await home.sandpiper("wait", "box").output == "stopped\n", "at once")
            #expect(try await home.sandpiper("rm", "box").status == 0)
        }
    }
}
