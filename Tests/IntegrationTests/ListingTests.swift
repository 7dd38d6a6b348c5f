import Glibc
import LinuxSystem
import Testing

/// What is told of sandboxes: ls, inspect, stats, events; and the names they go by.
@Suite(.needsMachines) struct ListingTests {
    @Test("a sandbox is listed with its state through its life, and inspected with the limits that hold")
    func life() async throws {
        try await TestHome.with { home in
            let made = try await home.sandpiper(
                "create", "--name", "box", "--label", "tier=test", "--pids-limit", "50", "busybox")
            try #require(made.status == 0, "\(made.error)")
            let id = try #require(made.lines.first)
            let running = try await home.sandpiper("ls", "--filter", "label=tier=test")
            #expect(running.lines.count == 2)
            #expect(running.lines.last?.contains("running") == true)
            #expect(try await home.sandpiper("ps", "-q", "--filter", "name=other").output == "")
            let limits = try await home.host(
                "sandpiper inspect box | jq -r '.[0] | .life.status, (.limits[] | select(.holds) | .limit)'")
            #expect(limits.lines == ["running", "cpus", "memory", "disk", "processes"])

            #expect(try await home.sandpiper("stop", "--now", "box").status == 0)
            #expect(try await home.sandpiper("ls", "-q").output == "")
            let stopped = try await home.host("sandpiper ls --json --filter status=stopped | jq -r '.[] | .id, .name'")
            #expect(stopped.lines == [id, "box"])
            #expect(try await home.sandpiper("rm", "box").status == 0)
            #expect(try await home.sandpiper("ls", "-aq").output == "")
        }
    }

    @Test("a sandbox whose supervisor is killed is listed as crashed, with the reason")
    func crash() async throws {
        try await TestHome.with { home in
            let made = try await home.sandpiper("create", "--name", "box", "busybox")
            try #require(made.status == 0, "\(made.error)")
            let supervisor = try home.process(named: "sandpiper-super")
            try await supervisor.kill()
            try await home.waitForProcesses()
            let listed = try await home.sandpiper("ls", "-a")
            #expect(listed.lines.last?.contains("crashed: its supervisor was killed") == true)
            let ended = try await home.sandpiper("wait", "box")
            #expect(ended.status == 125)
            #expect(ended.output.hasPrefix("crashed: "))
            #expect(try await home.sandpiper("rm", "box").status == 0)
        }
    }

    @Test("a sandbox goes by its new name, and a name in use is refused")
    func rename() async throws {
        try await TestHome.with { home in
            _ = try await home.sandpiper("create", "--no-start", "--name", "one", "busybox")
            _ = try await home.sandpiper("create", "--no-start", "--name", "two", "busybox")
            let taken = try await home.sandpiper("rename", "one", "two")
            #expect(taken.status == 125)
            #expect(taken.error.contains("'two' is in use"))
            #expect(try await home.sandpiper("rename", "one", "three").status == 0)
            #expect(try await home.host("sandpiper inspect three | jq -r '.[0].sandbox.name'").lines == ["three"])
            let events = try await home.host(
                "sandpiper events --since 1h --until 0.001s --filter event=rename --json | jq -r .name")
            #expect(events.lines == ["three"])
            #expect(try await home.sandpiper("rm", "two", "three").status == 0)
        }
    }

    @Test("events are told as they happen, until the command is interrupted")
    func events() async throws {
        try await TestHome.with { home in
            _ = try await home.sandpiper("events", "--filter", "name=box", "--json") { command in
                // A command that starts is not there yet; the first event may be told or not, the second is.
                let made = try await home.sandpiper("create", "--name", "box", "busybox")
                try #require(made.status == 0, "\(made.error)")
                #expect(try await home.sandpiper("rm", "-f", "box").status == 0)
                var kinds: [String] = []
                while kinds.last?.contains("\"event\":\"remove\"") != true, let line = try await command.line() {
                    kinds.append(line)
                }
                #expect(kinds.contains { $0.contains("\"event\":\"start\"") })
                command.signal(SIGINT)
            }
        }
    }

    @Test("statistics tell what a busy sandbox uses of host and guest")
    func statistics() async throws {
        try await TestHome.with { home in
            let made = try await home.sandpiper("create", "--name", "box", "busybox", "sh", "-c", "while :; do :; done")
            try #require(made.status == 0, "\(made.error)")
            let shown = try await home.host(
                """
                sandpiper stats --no-stream --json box | jq -r '.[0] | .name, .processorPercent > 10,
                .statistics.hostMemory > 10000000, .statistics.guestMemory < .statistics.guestMemoryTotal,
                .statistics.guestProcesses >= 1'
                """)
            #expect(shown.lines == ["box", "true", "true", "true", "true"], "\(shown.error)")
            _ = try await home.sandpiper("stats") { command in
                let lines = (try await command.line(), try await command.line())
                #expect(lines.0?.hasPrefix("ID ") == true)
                #expect(lines.1?.contains("box") == true)
                command.signal(SIGINT)
            }
            #expect(try await home.sandpiper("rm", "-f", "box").status == 0)
            #expect(try await home.sandpiper("stats", "box").status == 125)
        }
    }

    @Test("prune removes the sandboxes that do not run, those with a label only when it is asked for")
    func prune() async throws {
        try await TestHome.with { home in
            _ = try await home.sandpiper("create", "--no-start", "--name", "old", "--label", "x", "busybox")
            _ = try await home.sandpiper("create", "--no-start", "--name", "other", "busybox")
            let made = try await home.sandpiper("create", "--name", "alive", "--label", "x", "busybox")
            try #require(made.status == 0, "\(made.error)")
            #expect(try await home.sandpiper("prune", "--sandboxes", "--until", "1h").output == "")
            #expect(try await home.sandpiper("prune", "--sandboxes", "--filter", "label=x").lines.count == 1)
            #expect(try await home.sandpiper("ls", "-aq").lines.count == 2)
            #expect(try await home.sandpiper("prune", "--sandboxes").lines.count == 1)
            #expect(try await home.sandpiper("ls", "-aq").lines.count == 1)
            #expect(try await home.sandpiper("prune").output.contains("Freed"), "images as ever")
            #expect(try await home.sandpiper("rm", "-f", "alive").status == 0)
        }
    }
}
