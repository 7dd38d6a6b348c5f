import Glibc
import LinuxSystem
import SandboxState
import Testing

/// Sandboxes that begin where others were.
@Suite(.needsMachines) struct SnapshotTests {
    private static let identity = """
        hostname; cat /etc/machine-id /proc/sys/kernel/random/boot_id /sys/class/net/eth0/address; \
        head -c 16 /dev/urandom | hexdump -v -e '1/1 "%02x"'; echo
        """

    @Test("a restored sandbox has the memory, the disk and the jobs of the other, and an identity of its own")
    func restored() async throws {
        try await TestHome.with { home in
            let parent = try await home.create(
                "parent", ["--label", "a=b"], command: ["sh", "-c", PauseTests.counter])
            #expect(try await home.exec("parent", "echo disk > /file; echo memory > /dev/shm/x").status == 0)
            let made = try await home.sandpiper("snapshot", "create", "parent", "first")
            #expect(made.status == 0 && made.error.contains("stood still for"), "\(made.error)")
            #expect(parent.currentLife().status == .running)
            #expect(try await home.exec("parent", "echo changed > /file; echo changed > /dev/shm/x").status == 0)
            #expect(try await home.sandpiper("snapshot", "create", "parent", "first").error.contains("in use"))

            for name in ["one", "two"] {
                let restored = try await home.sandpiper("restore", "--name", name, "first")
                #expect(restored.status == 0, "\(restored.error)")
            }
            var identities: [[String]] = []
            for name in ["parent", "one", "two"] {
                let found = try await home.exec(name, Self.identity)
                #expect(found.lines.count == 5, "\(found.output) \(found.error)")
                identities.append(found.lines)
            }
            for place in 0..<5 { #expect(Set(identities.map { $0[place] }).count == 3, "\(identities)") }
            #expect(try await home.exec("one", "cat /file /dev/shm/x").output == "disk\nmemory\n")
            #expect(try await home.exec("parent", "cat /file /dev/shm/x").output == "changed\nchanged\n")
            let ticks = try await home.sandpiper("logs", "one").lines
            #expect(ticks == (0..<ticks.count).map { "tick \($0 + 1)" } && ticks.count > 1)
            let inspected = try await home.sandpiper("inspect", "one").output
            #expect(inspected.contains(#""a" : "b""#), "\(inspected)")
            // The main process of each is its own.
            #expect(try await home.sandpiper("kill", "-s", "TERM", "one").status == 0)
            try await home.directory("one").wait(for: .stopped)
            #expect(try home.directory("one").currentLife().exitStatus == 143)
            #expect(try home.directory("two").currentLife().status == .running)

            // What was restored can be written down in its turn, and does not need the first.
            #expect(try await home.sandpiper("snapshot", "rm", "first").status == 0)
            #expect(try await home.sandpiper("snapshot", "create", "two", "second").status == 0)
            #expect(try await home.sandpiper("pause", "two").status == 0)
            // A paused one can be written down too, and forked.
            #expect(try await home.sandpiper("fork", "--name", "four", "two").status == 0)
            #expect(try await home.sandpiper("restore", "--name", "three", "second").status == 0)
            #expect(try await home.sandpiper("resume", "two").status == 0)
            for name in ["two", "three", "four"] {
                #expect(try await home.exec(name, "cat /file /dev/shm/x").output == "disk\nmemory\n")
            }
            #expect(try await home.sandpiper("snapshot", "rm", "second").status == 0)
            try await home.remove(all: ["parent", "one", "two", "three", "four"])
        }
    }

    @Test("forks go on from a running sandbox, which goes on too")
    func forks() async throws {
        try await TestHome.with { home in
            _ = try await home.create("origin")
            #expect(try await home.exec("origin", "echo memory > /dev/shm/x").status == 0)
            let forked = try await home.sandpiper("fork", "-n", "3", "--name", "child", "origin")
            #expect(forked.status == 0 && forked.lines.count == 3, "\(forked.error)")
            for name in ["child-1", "child-2", "child-3", "origin"] {
                #expect(try await home.exec(name, "cat /dev/shm/x").output == "memory\n")
            }
            #expect(try await home.exec("child-1", "echo own > /dev/shm/x; cat /dev/shm/x").output == "own\n")
            #expect(try await home.exec("child-2", "cat /dev/shm/x").output == "memory\n")
            let grandchild = try await home.sandpiper("fork", "--name", "grandchild", "child-1")
            #expect(grandchild.status == 0, "\(grandchild.error)")
            #expect(try await home.exec("grandchild", "cat /dev/shm/x").output == "own\n")
            #expect(try await home.sandpiper("snapshot", "ls", "-q").output == "")
            try await home.remove(all: ["origin", "child-1", "child-2", "child-3", "grandchild"])
        }
    }

    @Test("snapshots of one sandbox share what did not change, and none needs another to be there")
    func chain() async throws {
        try await TestHome.with { home in
            _ = try await home.create("source")
            let fill = """
                head -c 40000000 /dev/urandom >/dev/shm/large; head -c 40000000 /dev/urandom >/large; sync
                sha256sum </dev/shm/large; sha256sum </large
                """
            let digest = try await home.exec("source", fill).output
            for number in 1...4 {
                #expect(try await home.exec("source", "echo \(number) | tee /small > /dev/shm/small").status == 0)
                let made = try await home.sandpiper("snapshot", "create", "source", "chain-\(number)")
                #expect(made.status == 0, "\(made.error)")
            }
            let all = try SnapshotDirectory.all(in: Home(path: home.path))
            try #require(all.count == 4)
            for (directory, _) in all { #expect(directory.diskUsage.all > 80_000_000) }
            // Later ones have what the first has by name, and only the few pages that changed for themselves.
            for (directory, _) in all.dropFirst() {
                let own = directory.diskUsage.own
                #expect(own < 25_000_000, "\(own)")
            }
            for gone in [2, 1] {
                #expect(try await home.sandpiper("snapshot", "rm", "chain-\(gone)").status == 0)
                let number = gone == 2 ? 3 : 4
                let restored = try await home.sandpiper("restore", "--name", "of-\(number)", "chain-\(number)")
                #expect(restored.status == 0, "\(restored.error)")
                let found = try await home.exec(
                    "of-\(number)", "sha256sum </dev/shm/large; sha256sum </large; cat /dev/shm/small /small")
                #expect(found.output == "\(digest)\(number)\n\(number)\n", "\(found.error)")
            }
            try await home.remove(all: ["source", "of-3", "of-4"])
            for number in [3, 4] { #expect(try await home.sandpiper("snapshot", "rm", "chain-\(number)").status == 0) }
        }
    }

    @Test("connections to the outside are reset where a machine goes on without it; those within it go on")
    func connections() async throws {
        try await TestHome.with { home in
            _ = try await home.create("parent")
            // Nobody answers there, and a connection waits for two minutes.
            let network = """
                ip addr add 10.9.0.1/24 dev eth0 && ip link set dev eth0 arp off && ip link set eth0 up && ip link set lo up
                """
            #expect(try await home.exec("parent", network).status == 0)
            let outside = "nc 10.9.0.2 80; echo outside $?"
            #expect(try await home.sandpiper("exec", "-d", "parent", "--", "sh", "-c", outside).output == "1\n")
            let talk = """
                mkfifo /tmp/hold; nc -l -p 7000 </tmp/hold >/tmp/heard & exec 3>/tmp/hold; sleep 1
                (until [ -e /tmp/go ]; do sleep 0.1; done; echo still) | nc 127.0.0.1 7000 & wait
                """
            #expect(try await home.sandpiper("exec", "-d", "parent", "--", "sh", "-c", talk).output == "2\n")
            let waiting =
                "until netstat -tn | grep -q SYN_SENT && netstat -tn | grep -q ESTABLISHED; do sleep 0.1; done"
            #expect(try await home.exec("parent", waiting).status == 0)

            #expect(try await home.sandpiper("snapshot", "create", "parent", "kept").status == 0)
            #expect(try await home.sandpiper("fork", "--name", "child", "parent").status == 0)
            #expect(try await home.sandpiper("restore", "--name", "again", "kept").status == 0)
            #expect(try await home.exec("parent", waiting).status == 0)
            #expect(try await home.sandpiper("pause", "parent").status == 0)
            #expect(try await home.sandpiper("resume", "parent").status == 0)
            for name in ["parent", "child", "again"] {
                let ended = try await home.sandpiper("attach", "--no-input", name, "1")
                #expect(ended.output.hasSuffix("outside 1\n") && ended.error.contains("abort"), "\(name): \(ended)")
                let heard = try await home.exec(
                    name, "touch /tmp/go; until grep still /tmp/heard; do sleep 0.1; done")
                #expect(heard.lines == ["still"])
            }
            #expect(try await home.sandpiper("snapshot", "rm", "kept").status == 0)
            try await home.remove(all: ["parent", "child", "again"])
        }
    }

    @Test("what a client had started goes on in a fork, also the command of a run")
    func foreground() async throws {
        try await TestHome.with { home in
            let script = "echo ready; while :; do i=$((i + 1)); echo $i > /dev/shm/now; sleep 0.1; done"
            let ended = try await home.sandpiper("run", "--name", "front", "busybox", "--", "sh", "-c", script) { run in
                try await run.expectLine("ready")
                let forked = try await home.sandpiper("fork", "--name", "behind", "front")
                #expect(forked.status == 0, "\(forked.error)")
                run.signal(SIGINT)
            }
            #expect(ended.status == 130)
            let first = try await home.exec("behind", "cat /dev/shm/now")
            let second = try await home.exec("behind", "sleep 0.5; cat /dev/shm/now")
            #expect(first.status == 0 && first.output != second.output, "\(first) \(second)")
            try await home.remove("behind")
        }
    }

    @Test("a snapshot of the disk only starts anew, from a sandbox that runs or not")
    func diskOnly() async throws {
        try await TestHome.with { home in
            _ = try await home.create("source")
            #expect(try await home.exec("source", "echo unsynced > /file; echo memory > /dev/shm/x").status == 0)
            #expect(try await home.sandpiper("snapshot", "create", "--disk-only", "source", "running").status == 0)
            #expect(try await home.sandpiper("stop", "source").status == 0)
            #expect(try await home.sandpiper("snapshot", "create", "source", "stopped").status == 0)
            #expect(try await home.sandpiper("rm", "source").status == 0)
            // What is written down keeps its image.
            let refused = try await home.sandpiper("rmi", "busybox")
            #expect(refused.status != 0 && refused.error.contains("snapshot running"), "\(refused)")
            for snapshot in ["running", "stopped"] {
                #expect(try await home.sandpiper("restore", "--name", "of-\(snapshot)", snapshot).status == 0)
                #expect(try await home.exec("of-\(snapshot)", "cat /file; ls /dev/shm").output == "unsynced\n")
                #expect(try await home.sandpiper("rm", "-f", "of-\(snapshot)").status == 0)
                #expect(try await home.sandpiper("snapshot", "rm", snapshot).status == 0)
            }
            try await home.waitForProcesses()
        }
    }
}
