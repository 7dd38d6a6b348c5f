import Glibc
import LinuxSystem
import Testing

/// Nothing is left of a sandbox, however it ends.
@Suite(.needsMachines) struct CleanUpTests {
    /// When a signal comes, in milliseconds after the start of the command; `nil` is when the sandbox runs.
    static let moments: [Int?] = [0, 20, 150, 700, nil]

    @Test(
        "a signal at any moment ends the command with everything it started", arguments: [SIGINT, SIGTERM, SIGHUP],
        moments)
    func signalled(signal: Int32, moment: Int?) async throws {
        try await TestHome.with { home in
            let outcome = try await home.sandpiper("run", "busybox", "--", "sh", "-c", "echo up; exec sleep 1000") {
                command in
                if let moment {
                    try await Task.sleep(for: .milliseconds(moment))
                } else {
                    try await command.expectLine("up")
                }
                command.signal(signal)
                // Who writes to a reader that has gone ends for that reason.
                while try await command.line() != nil {}
            }
            #expect(outcome.status == 128 + signal, "\(outcome.error)")
            #expect(outcome.error == "")
            try await home.expectNothingLeft()
        }
    }

    /// Who is killed, and what the client says if it is not among them.
    static let victims: [(processes: [String], message: String?)] = [
        (["sandpiper"], nil),
        (["sandpiper-super"], "supervisor"),
        (["sandpiper-vm"], "killed"),
        (["sandpiper", "sandpiper-super"], nil),
        (["sandpiper-super", "sandpiper-vm"], "supervisor"),
        (["sandpiper", "sandpiper-super", "sandpiper-vm"], nil),
    ]

    @Test("after kill -9 no process survives, and the next command of any kind removes the rest", arguments: victims)
    func killed(processes: [String], message: String?) async throws {
        try await TestHome.with { home in
            let arguments = ["run", "--name", "same", "busybox", "--", "sh", "-c", "echo up; exec sleep 1000"]
            let outcome = try await home.command(arguments).run { command in
                try await command.expectLine("up")
                let victims = try processes.map { try home.process(named: $0) }
                victims.forEach { kill($0.pid, SIGKILL) }
                for victim in victims { try await victim.waitForEnd() }
            }
            if let message {
                #expect(outcome.status == 125)
                #expect(outcome.errorLines.first?.contains(message) == true, "\(outcome.error)")
            } else {
                #expect(outcome.status == 128 + SIGKILL)
            }
            try await home.waitForProcesses()
            let inspected = try await home.sandpiper("inspect", "same")
            #expect(inspected.status == 125)
            try await home.expectNothingLeft()
            let again = try await home.sandpiper("run", "--name", "same", "busybox", "echo", "again")
            #expect(again.output == "again\n", "\(again.error)")
        }
    }

    @Test("no process of a sandbox can halt the machine, and it lives on", arguments: ["reboot", "poweroff", "halt"])
    func turnedOff(command: String) async throws {
        try await TestHome.with { home in
            let outcome = try await home.busybox("\(command) -f; echo alive", options: ["--timeout", "20s"])
            #expect(outcome.status == 0)
            #expect(outcome.output == "alive\n")
            #expect(outcome.error.contains("Operation not permitted"))
        }
    }

    @Test("a time-out holds when the guest answers no more")
    func hungGuest() async throws {
        try await TestHome.with { home in
            let arguments = ["run", "--timeout", "2s", "busybox", "--", "sh", "-c", "echo up; exec sleep 1000"]
            let outcome = try await home.command(arguments).run { command in
                try await command.expectLine("up")
                // A stopped engine is like a guest that does not run any more.
                kill(try home.process(named: "sandpiper-vm").pid, SIGSTOP)
            }
            #expect(outcome.status == 124)
        }
    }
}
