import Glibc
import LinuxSystem
import SandboxState
import Testing

/// The life of a sandbox that is kept, as its commands shape it.
@Suite(.needsMachines) struct LifecycleTests {
    @Test("a sandbox is made, stopped, started and removed, and its files are as they were")
    func wholeLife() async throws {
        try await TestHome.with { home in
            let sandbox = try await home.create("kept", ["--label", "a=b"])
            #expect(sandbox.currentLife().status == .running)
            #expect(try await home.exec("kept", "echo unsynced > /file").status == 0)
            let taken = try await home.sandpiper("create", "--name", "kept", "busybox")
            #expect(taken.status == 125 && taken.error.contains("in use"))
            let refused = try await home.sandpiper("rm", "kept")
            #expect(refused.status == 125 && refused.error.contains("is running"))
            let twice = try await home.sandpiper("start", "kept")
            #expect(twice.status == 125 && twice.error.contains("running"), "\(twice.error)")

            #expect(try await home.sandpiper("stop", "kept").status == 0)
            try await home.waitForProcesses()
            #expect(sandbox.currentLife().status == .stopped && sandbox.currentLife().reason == nil)
            #expect(try FileTree.names(in: "\(home.path)/run") == [])
            #expect(try await home.sandpiper("stop", "kept").status == 0)
            #expect(try await home.exec("kept", "true").error.contains("stopped"))

            // Of several that start it at once one does.
            let starts = try await withThrowingTaskGroup(of: Int32.self) { group in
                for _ in 0..<4 { group.addTask { try await home.sandpiper("start", "kept").status } }
                return try await group.reduce(into: []) { $0.append($1) }
            }
            #expect(starts.sorted() == [0, 125, 125, 125])
            #expect(try await home.exec("kept", "cat /file").output == "unsynced\n")
            #expect(try await home.sandpiper("restart", "kept").status == 0)
            #expect(try await home.exec("kept", "cat /file").output == "unsynced\n")

            #expect(try await home.sandpiper("kill", "kept").status == 0)
            #expect(sandbox.currentLife().status == .stopped)
            #expect(try await home.sandpiper("rm", "kept").status == 0)
            try await home.expectNothingLeft()
        }
    }

    @Test("--replace takes the name from a running sandbox; --no-start only makes one")
    func replacement() async throws {
        try await TestHome.with { home in
            let old = try await home.create("same")
            let made = try await home.sandpiper("create", "--no-start", "--name", "same", "--replace", "busybox")
            #expect(made.status == 0, "\(made.error)")
            #expect(!FileTree.exists(old.record))
            let sandbox = try home.directory("same")
            #expect(sandbox.currentLife().status == .created && !sandbox.isOwned)
            #expect(try await home.sandpiper("start", "same").status == 0)
            #expect(try await home.exec("same", "echo awake").output == "awake\n")
            try await home.remove("same")
        }
    }

    @Test("a sandbox stops when its main process ends, with that status; --rm removes it then")
    func mainProcess() async throws {
        try await TestHome.with { home in
            let kept = try await home.sandpiper("run", "-d", "--name", "kept", "busybox", "sh", "-c", "exit 7")
            #expect(kept.status == 0, "\(kept.error)")
            let sandbox = try home.directory("kept")
            try await sandbox.wait(for: .stopped)
            #expect(sandbox.currentLife().exitStatus == 7)
            try await home.waitForProcesses()
            try await home.remove("kept")
            let passing = try await home.sandpiper("run", "-d", "--rm", "busybox", "true")
            #expect(passing.status == 0, "\(passing.error)")
            try await home.waitForProcesses()
            try await home.expectNothingLeft()
        }
    }

    @Test("a sandbox is stopped when its time is over, and when it was idle; a busy one is never idle")
    func time() async throws {
        try await TestHome.with { home in
            let made = try await home.sandpiper(
                "create", "--no-start", "--name", "short", "--max-duration", "100ms", "busybox")
            #expect(made.status == 0, "\(made.error)")
            let short = try home.directory("short")
            // Its time may be over before it is ready.
            _ = try await home.sandpiper("start", "short")
            try await short.wait(for: .stopped)
            #expect(short.currentLife().reason?.contains("--max-duration") == true)
            let idle = try await home.create("idle", ["--idle-timeout", "300ms"])
            try await idle.wait(for: .stopped)
            #expect(idle.currentLife().reason?.contains("idle") == true)
            let busy = try await home.sandpiper(
                "run", "-d", "--name", "busy", "--idle-timeout", "100ms", "busybox", "sh", "-c",
                "sleep 1; echo done > /done; exit 3")
            #expect(busy.status == 0, "\(busy.error)")
            let sandbox = try home.directory("busy")
            try await sandbox.wait(for: .stopped)
            // It ended by itself.
            #expect(sandbox.currentLife().exitStatus == 3)
            for name in ["short", "idle", "busy"] { try await home.remove(name) }
        }
    }

    @Test("a process that ignores SIGTERM is killed when its grace is over, and a kill ends a long grace")
    func stubborn() async throws {
        try await TestHome.with { home in
            let sandbox = try await home.create("deaf")
            let deaf = "trap '' TERM; echo ready > /ready; while :; do sleep 1000; done"
            _ = try await home.sandpiper("exec", "-d", "deaf", "--", "sh", "-c", deaf)
            let ready = "until [ -s /ready ]; do sleep 0.01; done; rm /ready"
            _ = try await home.exec("deaf", ready)
            #expect(try await home.sandpiper("stop", "--time", "200ms", "deaf").status == 0)
            #expect(sandbox.currentLife().status == .stopped)
            try await home.waitForProcesses()
            #expect(try await home.sandpiper("start", "deaf").status == 0)
            _ = try await home.sandpiper("exec", "-d", "deaf", "--", "sh", "-c", deaf)
            _ = try await home.exec("deaf", ready)
            async let stopped = home.sandpiper("stop", "--time", "1h", "deaf")
            try await sandbox.wait(for: .stopping)
            #expect(try await home.sandpiper("kill", "deaf").status == 0)
            #expect(try await stopped.status == 0)
            try await home.remove("deaf")
        }
    }

    @Test("SIGTERM to a supervisor stops its sandbox in good order")
    func terminated() async throws {
        try await TestHome.with { home in
            let sandbox = try await home.create("kept")
            _ = try await home.exec("kept", "echo unsynced > /file")
            kill(try home.supervisor("kept").pid, SIGTERM)
            try await home.waitForProcesses()
            #expect(sandbox.currentLife().status == .stopped)
            #expect(try await home.sandpiper("start", "kept").status == 0)
            #expect(try await home.exec("kept", "cat /file").output == "unsynced\n")
            try await home.remove("kept")
        }
    }

    @Test("a main process that fails is started again as often as the policy says")
    func restartOnFailure() async throws {
        try await TestHome.with { home in
            let made = try await home.sandpiper(
                "run", "-d", "--name", "failing", "--restart", "on-failure:2", "busybox", "sh", "-c",
                "echo x >> /runs; exit 4")
            #expect(made.status == 0, "\(made.error)")
            let sandbox = try home.directory("failing")
            try await sandbox.wait(for: .stopped)
            #expect(sandbox.currentLife().restarts == 2)
            #expect(sandbox.currentLife().exitStatus == 4)
            try await home.waitForProcesses()
            try await home.remove("failing")
        }
    }

    @Test("a sandbox whose engine dies is started again, its clients hear of it, and stop means stop")
    func restartAlways() async throws {
        try await TestHome.with { home in
            let sandbox = try await home.create("lasting", ["--restart", "always"])
            let client = try await home.sandpiper("exec", "lasting", "--", "sh", "-c", "echo up; exec sleep 1000") {
                command in
                try await command.expectLine("up")
                try await home.engine("lasting").kill()
            }
            #expect(client.status == 125 && client.error.contains("went with its machine"), "\(client.error)")
            try await sandbox.wait { $0.status == .running && $0.restarts == 1 }
            #expect(try await home.exec("lasting", "echo again").output == "again\n")
            // Without an engine there is nothing to start: the pauses between the tries grow.
            try FileTree.rename("\(home.path)/store", to: "\(home.path)/away")
            try await home.engine("lasting").kill()
            try await sandbox.wait { $0.restarts == 3 }
            #expect(try await home.sandpiper("stop", "lasting").status == 0)
            #expect(sandbox.currentLife().status == .stopped)
            // The commands have made an empty one meanwhile.
            try FileTree.removeTree("\(home.path)/store")
            try FileTree.rename("\(home.path)/away", to: "\(home.path)/store")
            #expect(try await home.sandpiper("start", "lasting").status == 0)
            // What it had is there although its supervisor dies between two machines.
            #expect(FileTree.exists(sandbox.upperDisk))
            try await home.remove("lasting")
        }
    }
}
