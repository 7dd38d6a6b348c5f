import Glibc
import LinuxSystem
import Testing

/// The exit status of `sandpiper run`, which is Docker's.
@Suite(.needsMachines) struct ExitStatusTests {
    @Test("the command's own status comes through, and its stdout and stderr apart")
    func own() async throws {
        try await TestHome.with { home in
            let outcome = try await home.busybox("echo out; echo err >&2; exit 7")
            #expect(outcome.status == 7)
            #expect(outcome.output == "out\n")
            #expect(outcome.error == "err\n")
        }
    }

    @Test("a command that a signal ends gives 128 and the signal's number")
    func signal() async throws {
        try await TestHome.with { home in
            let outcome = try await home.busybox("kill -SEGV $$")
            #expect(outcome.status == 128 + SIGSEGV)
        }
    }

    @Test(
        "what cannot be executed gives 126 and one line",
        arguments: ["/etc", "/etc/passwd", "/srv/three-million"])  // a directory, no x bit, no format the kernel knows
    func notExecutable(path: String) async throws {
        try await TestHome.with(["layers.tar"]) { home in
            let outcome = try await home.sandpiper("run", "-u", "0", "--entrypoint", path, "localhost/layers")
            #expect(outcome.status == 126)
            #expect(outcome.errorLines.count == 1)
            #expect(outcome.error.contains(path))
        }
    }

    @Test("what is not there gives 127 and one line", arguments: ["nonsense", "/bin/nonsense"])
    func notFound(command: String) async throws {
        try await TestHome.with { home in
            let outcome = try await home.sandpiper("run", "busybox", command)
            #expect(outcome.status == 127)
            #expect(outcome.errorLines.count == 1)
            #expect(outcome.error.contains(command))
        }
    }

    @Test("--timeout ends the command and gives 124")
    func timeout() async throws {
        try await TestHome.with { home in
            let clock = ContinuousClock()
            let start = clock.now
            let outcome = try await home.busybox(
                "trap '' TERM; echo up; sleep 1000 & wait", options: ["--timeout", "1.5s"])
            #expect(outcome.status == 124)
            #expect(outcome.output == "up\n")
            #expect(clock.now - start < .seconds(60))
        }
    }

    @Test("a user that the image does not know gives 125 and one line")
    func noSuchUser() async throws {
        try await TestHome.with { home in
            let outcome = try await home.sandpiper("run", "-u", "stranger", "busybox", "true")
            #expect(outcome.status == 125)
            #expect(outcome.errorLines.count == 1)
            #expect(outcome.error.contains("stranger"))
        }
    }

    @Test(
        "nonsense gives 125 and one clear line, before any machine starts",
        arguments: [
            ["run"],
            ["run", "--nonsense", "busybox"],
            ["run", "absent"],
            ["run", "UPPER:case:twice"],
            ["run", "--cpus", "0", "busybox"],
            ["run", "--cpus", "65", "busybox"],
            ["run", "--cpus", "two", "busybox"],
            ["run", "--memory", "12parsecs", "busybox"],
            ["run", "--memory", "1k", "busybox"],
            ["run", "--memory", "-1g", "busybox"],
            ["run", "--memory", "99999999999999999999g", "busybox"],
            ["run", "--disk", "", "busybox"],
            ["run", "--disk", "1", "busybox"],
            ["run", "--timeout", "soon", "busybox"],
            ["run", "--timeout", "0", "busybox"],
            ["run", "--timeout", "-1s", "busybox"],
            ["run", "--name", "no/slash", "busybox"],
            ["run", "--name", "", "busybox"],
            ["run", "-e", "=value", "busybox"],
            ["run", "--env-file", "/nowhere/at/all", "busybox"],
            ["run", "-w", "relative", "busybox"],
            ["run", "--kernel", "/nowhere/at/all", "busybox"],
            ["nonsense"],
            ["inspect", "absent"],
            ["logs", "--console", "absent"],
            ["rmi", "absent"],
            ["load", "/nowhere/at/all"],
            ["images", "--format", "runes"],
        ])
    func nonsense(arguments: [String]) async throws {
        try await TestHome.with { home in
            let before = try await home.listing()
            let outcome = try await home.sandpiper(arguments)
            #expect(outcome.status == 125)
            #expect(outcome.output == "")
            #expect(outcome.errorLines.count == 1, "\(outcome.error)")
            #expect(outcome.error.hasPrefix("sandpiper"))
            #expect(try await home.listing() == before)
        }
    }
}

extension TestHome {
    /// Every file of the home with its size and time.
    func listing() async throws -> [String] {
        try await host("find '\(path)' -type f ! -name lock -printf '%P %s %T@\\n' | sort").lines
    }
}
