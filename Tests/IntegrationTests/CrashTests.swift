import Glibc
import LinuxSystem
import SandboxState
import Testing

/// What becomes of a sandbox that is kept when one of its processes is killed.
@Suite(.needsMachines) struct CrashTests {
    /// The processes of a sandbox on the host.
    enum Victim: CaseIterable {
        case client, supervisor, engine
    }

    @Test(
        "after kill -9 the sandbox is shown as crashed, and has what was written when it is started again",
        arguments: [[.supervisor], [.engine], [.client, .supervisor, .engine]] as [[Victim]])
    func killed(_ victims: [Victim]) async throws {
        try await TestHome.with { home in
            let sandbox = try await home.create("kept")
            let job = try await home.sandpiper("exec", "-d", "kept", "--", "sh", "-c", "echo started; exec sleep 1000")
            #expect(job.output == "1\n", "\(job.error)")
            let client = try await home.sandpiper(
                "exec", "kept", "--", "sh", "-c", "echo precious > /kept; sync; echo written; exec sleep 1000"
            ) { command in
                try await command.expectLine("written")
                for victim in victims {
                    switch victim {
                    case .client: command.signal(SIGKILL)
                    case .supervisor: try await home.supervisor("kept").kill()
                    case .engine: try await home.engine("kept").kill()
                    }
                }
            }
            #expect(client.status == (victims.contains(.client) ? 128 + SIGKILL : 125), "\(client.error)")
            try await home.waitForProcesses()
            try await sandbox.wait(for: .crashed)
            let life = sandbox.currentLife()
            #expect(life.reason?.contains(victims == [.engine] ? "signal 9" : "its supervisor was killed") == true)
            let running = try await home.exec("kept", "true")
            #expect(running.status == 125)
            #expect(running.error.contains("crashed"))
            let started = try await home.sandpiper("start", "kept")
            #expect(started.status == 0, "\(started.error)")
            #expect(try await home.exec("kept", "cat /kept").output == "precious\n")
            // What was running went with its machine, and that is written down.
            let record = JobDirectory.all(sandbox.jobs).first
            #expect(record?.ended != nil && record?.exitStatus == nil && record?.reason == "its machine ended")
            try await home.remove("kept")
            try await home.use("kept")
        }
    }

    @Test("a client that is killed takes its own process along, and nothing else")
    func client() async throws {
        try await TestHome.with { home in
            let sandbox = try await home.create("kept")
            _ = try await home.sandpiper("exec", "kept", "--", "sh", "-c", "echo $$; exec sleep 1000") { command in
                let pid = try #require(try await command.line())
                command.signal(SIGKILL)
                let gone = try await home.exec("kept", "while [ -e /proc/\(pid) ]; do sleep 0.01; done; echo gone")
                #expect(gone.output == "gone\n", "\(gone.error)")
            }
            #expect(sandbox.currentLife().status == .running)
            try await home.remove("kept")
        }
    }

    @Test(
        "whoever is killed while a sandbox is made, the name can be used again",
        arguments: [0, 30, 100, 200] as [Int], [Victim.client, .supervisor])
    func creation(milliseconds: Int, victim: Victim) async throws {
        try await TestHome.with { home in
            let outcome = try await home.sandpiper("create", "--name", "new", "busybox") { command in
                try await Task.sleep(for: .milliseconds(milliseconds))
                switch victim {
                case .client: command.signal(SIGKILL)
                default: for process in home.processes(named: "sandpiper-super") { try await process.kill() }
                }
            }
            // A supervisor whose client is gone completes what it was asked to do.
            if outcome.status == 0 || victim == .client, let sandbox = try? home.directory("new") {
                try await sandbox.wait { $0.status != .starting }
                let life = sandbox.currentLife().status
                #expect(life == .running || outcome.status == 0 && life == .crashed)
            } else {
                try await home.waitForProcesses()
            }
            try await home.use("new", options: ["--replace"])
        }
    }

    @Test("a supervisor that is killed while it stops its sandbox leaves nothing but the files")
    func stopping() async throws {
        try await TestHome.with { home in
            let sandbox = try await home.create("kept")
            let script = "trap '' TERM; echo precious > /kept; sync; while :; do sleep 1000; done"
            _ = try await home.sandpiper("exec", "-d", "kept", "--", "sh", "-c", script)
            _ = try await home.exec("kept", "until [ -s /kept ]; do sleep 0.01; done")
            let supervisor = try home.supervisor("kept")
            async let stopped = home.sandpiper("stop", "--time", "1h", "kept")
            try await sandbox.wait(for: .stopping)
            try await supervisor.kill()
            _ = try await stopped
            try await home.waitForProcesses()
            #expect(sandbox.currentLife().status == .crashed)
            let started = try await home.sandpiper("start", "kept")
            #expect(started.status == 0, "\(started.error)")
            #expect(try await home.exec("kept", "cat /kept").output == "precious\n")
            try await home.remove("kept")
        }
    }

    @Test("a sandbox that removes itself is gone after the death of its supervisor")
    func removesItself() async throws {
        try await TestHome.with { home in
            _ = try await home.create("passing", ["--rm"])
            try await home.supervisor("passing").kill()
            try await home.waitForProcesses()
            try await home.use("passing")
        }
    }

    @Test(
        "a host's disk that is full at create, run or stop is told, leaves nothing, and loses nothing that was synchronised",
        .needsRoot("a small file system is mounted"))
    func fullDisk() async throws {
        try await TestHome.with { home in
            let script = """
                sandboxes=$SANDPIPER_HOME/sandboxes
                mkdir -p "$sandboxes"; mount -t tmpfs -o size=400k tmpfs "$sandboxes" || exit 99
                sandpiper create --name full busybox 2>err; echo $? $(grep -c 'No space left on device' err) $(ls "$sandboxes")
                sandpiper run busybox true 2>err; echo $? $(grep -c 'No space left on device' err) $(ls "$sandboxes")
                mount -o remount,size=3m "$sandboxes"
                sandpiper create --name full busybox >/dev/null || exit 98
                sandpiper exec full sh -c 'echo first >/first; sync; dd if=/dev/zero of=/big bs=1M count=20 conv=fsync'
                df --output=avail "$sandboxes" | tail -1 | tr -d ' '
                sandpiper exec full echo alive; sandpiper stop full >/dev/null; echo $?
                sandpiper inspect full | jq -r '.[0].life.status'
                mount -o remount,size=64m "$sandboxes"
                sandpiper start full >/dev/null; sandpiper exec full cat /first
                sandpiper rm -f full >/dev/null; ls "$sandboxes" | wc -l
                """
            try FileTree.writeAtomically(Array(script.utf8), to: "\(home.scratch)/script")
            let outcome = try await home.host("unshare --mount bash script")
            #expect(
                outcome.lines == ["125 1", "125 1", "0", "alive", "0", "stopped", "first", "0"],
                "\(outcome.output)\(outcome.error)")
            try await home.waitForProcesses()
        }
    }
}

extension TestHome {
    /// Removes sandboxes, running or not, and waits until nothing of this home runs.
    func remove(all names: [String], location: SourceLocation = #_sourceLocation) async throws {
        let removed = try await sandpiper(["rm", "-f"] + names)
        #expect(removed.status == 0, "\(removed.error)", sourceLocation: location)
        try await waitForProcesses()
    }

    /// Removes a sandbox, whatever it does.
    func remove(_ name: String, location: SourceLocation = #_sourceLocation) async throws {
        let removed = try await sandpiper("rm", "-f", name)
        #expect(removed.status == 0, "\(removed.error)", sourceLocation: location)
        try await waitForProcesses()
    }

    /// Expects that a name is free: a sandbox gets it and works. Leaves nothing.
    func use(_ name: String, options: [String] = [], location: SourceLocation = #_sourceLocation) async throws {
        let outcome = try await sandpiper(["run", "--name", name] + options + ["busybox", "echo", "works"])
        #expect(outcome.output == "works\n", "\(outcome.error)", sourceLocation: location)
        try await expectNothingLeft(location)
    }
}
