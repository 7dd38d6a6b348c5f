import Glibc
import LinuxSystem
import Testing

/// What can be seen of a sandbox while it runs, and of the engine under it.
@Suite(.needsMachines) struct InspectTests {
    @Test("a running sandbox is shown with its engine, and its name is taken")
    func running() async throws {
        try await TestHome.with { home in
            _ = try await home.sandpiper(
                "run", "--name", "shown", "--cpus", "2", "busybox", "--", "sh", "-c",
                "echo 'printed on the console' >/dev/console; echo up; sleep 1000"
            ) { command in
                try await command.expectLine("up")
                let shown = try await home.host(
                    "sandpiper inspect shown | jq -r '.[0] | .sandbox.name, .sandbox.image, .sandbox.limits.cpus, .engine.engine, .engine.accelerator, .engine.pid, .sandbox.id'"
                )
                try #require(shown.lines.count == 7, "\(shown.error)")
                #expect(shown.lines.prefix(4) == ["shown", "busybox", "2", "portable"])
                #expect(["kvm", "emulated"].contains(shown.lines[4]))
                #expect(shown.lines[5] == (try home.process(named: "sandpiper-vm").pid).description)
                let byID = try await home.sandpiper("inspect", String(shown.lines[6].prefix(6)))
                #expect(byID.status == 0)

                let second = try await home.sandpiper("run", "--name", "shown", "busybox", "true")
                #expect(second.status == 125)
                #expect(second.errorLines.count == 1)
                #expect(second.error.contains("'shown' is in use"))

                let logs = try await home.sandpiper("logs", "--console", "shown")
                #expect(logs.output.contains("printed on the console"))
                command.signal(SIGTERM)
            }
            let gone = try await home.sandpiper("inspect", "shown")
            #expect(gone.status == 125)
        }
    }

    @Test("where KVM does not work, one line says so once, and --require-kvm refuses")
    func emulation() async throws {
        try await TestHome.with([]) { home in
            _ = try await home.sandpiper("load", Built.image("busybox.tar"))
            let first = try await home.sandpiper("run", "busybox", "true")
            let second = try await home.sandpiper("run", "busybox", "true")
            let strict = try await home.sandpiper("run", "--require-kvm", "busybox", "true")
            #expect(second.error == "")
            if first.errorLines.isEmpty {
                #expect(strict.status == 0)
            } else {
                #expect(first.errorLines.count == 1)
                #expect(first.error.contains("emulating"))
                #expect(strict.status == 125)
                #expect(strict.errorLines.count == 1, "\(strict.error)")
            }
        }
    }

    @Test("doctor names each prerequisite with its state and, where it is lacking, its cure")
    func doctor() async throws {
        try await TestHome.with { home in
            let outcome = try await home.sandpiper("doctor")
            #expect(outcome.status == 0, "\(outcome.output)")
            for name in ["KVM", "engine", "wall: files", "guest kernel", "mke2fs"] {
                #expect(outcome.output.contains(name))
            }
            let json = try await home.sandpiper("doctor", "--format", "json")
            #expect(json.output.hasPrefix("["))
            #expect(try await home.sandpiper("doctor", "--bogus").status == 125)
        }
    }

    @Test("doctor fails when no sandbox can run, and says what to do")
    func doctorWithoutKernel() async throws {
        try await TestHome.with { home in
            let outcome = try await home.host("SANDPIPER_KERNEL=/nonexistent sandpiper doctor")
            #expect(outcome.status == 1)
            #expect(outcome.output.contains("/nonexistent cannot be read\n         to do: "))
        }
    }
}
