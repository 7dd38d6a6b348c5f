import Glibc
import LinuxSystem
import SandboxState
import Testing

/// Sandboxes that show files of the host, frozen.
@Suite(.needsMachines) struct FrozenMountTests {
    @Test(
        "open files of a mount go on after a pause, or fail clearly when they are gone; never with another file's data")
    func openFiles() async throws {
        try await TestHome.with { home in
            let folder = try home.folder("shared")
            _ = try await home.host("cd shared; for name in kept replaced gone moved; do echo $name.old >$name; done")
            let sandbox = try await home.create("box", ["-v", "\(folder):/mnt"])
            let script = """
                cd /mnt; exec 3<kept 4<replaced 5<gone 6<moved 7>>log; n=0
                until [ -e /tmp/go ]; do n=$((n + 1)); echo $n >&7; sleep 0.05; done
                for i in 3 4 5 6; do echo "$i $(cat <&$i 2>&1)"; done; cat replaced; cat moved 2>&1; echo end >&7
                """
            #expect(try await home.sandpiper("exec", "-d", "box", "--", "sh", "-c", script).status == 0)
            _ = try await home.exec("box", "until grep -q 9 /mnt/log; do sleep 0.05; done")
            let paused = try await home.sandpiper("pause", "box")
            #expect(paused.status == 0, "\(paused.error)")
            try await home.waitForProcesses()
            _ = try await home.host(
                "cd shared; cp log before; echo new >new; mv new replaced; rm gone; mv moved elsewhere; echo other >moved"
            )
            let resumed = try await home.sandpiper("resume", "box")
            #expect(resumed.status == 0, "\(resumed.error)")
            _ = try await home.exec(
                "box",
                "until [ $(wc -l </mnt/log) -gt $(($(wc -l </mnt/before) + 5)) ]; do sleep 0.05; done; touch /tmp/go")
            _ = try await home.exec("box", "until grep -q end /mnt/log; do sleep 0.05; done")
            let said = try await home.sandpiper("logs", "--job", "1", "box").lines
            #expect(said.first == "3 kept.old" && said.suffix(2) == ["new", "other"], "\(said)")
            for (line, name) in zip(said.dropFirst(), ["4", "5", "6"]) {
                #expect(
                    line.hasPrefix(name) && (line.contains("Stale file handle") || line.contains(".old")), "\(said)")
            }
            #expect(said.count == 6 && said.dropFirst().prefix(2).allSatisfy { $0.contains("Stale") }, "\(said)")
            let log = try await home.host("cat shared/log").lines
            #expect(log == (1..<log.count).map { "\($0)" } + ["end"])
            #expect(sandbox.currentLife().status == .running)
            try await home.remove("box")
        }
    }

    @Test("what is read and written all the time goes on through pauses, snapshots and forks")
    func busy() async throws {
        try await TestHome.with { home in
            let folder = try home.folder("shared")
            _ = try await home.create("origin", ["-v", "\(folder):/mnt"])
            // Each machine has a directory of its own, which it learns anew each time. What stood in the midst of a round when
            // it was forked completes that in the same file as the other machines, and may see what they write. That file is
            // of that round alone, however long the others take for it, and each lists only its own files.
            let script = """
                n=0; while :; do mkdir -p /mnt/$(hostname); cd /mnt/$(hostname); n=$((n + 1)); f=$0-$n
                head -c 150000 /dev/urandom >/tmp/$0; cp /tmp/$0 $f && sync $f && echo 1 >/proc/sys/vm/drop_caches &&
                cmp -s /tmp/$0 $f && mv $f $0.$((n % 3)) && ls -l $0.* >/dev/null || echo "failed"; echo $n >$0.done; done
                """
            for name in ["a", "b"] {
                #expect(
                    try await home.sandpiper("exec", "-d", "origin", "--", "sh", "-c", script, name).status == 0)
            }
            let wait = "until cd /mnt/$(hostname) && [ -s a.done ] && [ -s b.done ]; do sleep 0.1; done"
            let advance = """
                \(wait); for i in a b; do m=$(cat $i.done); until [ "$(cat $i.done)" -gt $((m + 1)) ]; do sleep 0.05; done; done
                """
            #expect(try await home.exec("origin", advance).status == 0)
            for _ in 1...3 {
                let paused = try await home.sandpiper("pause", "origin")
                #expect(paused.status == 0, "\(paused.error)")
                let resumed = try await home.sandpiper("resume", "origin")
                #expect(resumed.status == 0, "\(resumed.error)")
                #expect(try await home.exec("origin", advance).status == 0)
            }
            for job in ["1", "2"] { #expect(try await home.sandpiper("logs", "--job", job, "origin").output == "") }
            #expect(try await home.sandpiper("snapshot", "create", "origin", "kept").status == 0)
            let forked = try await home.sandpiper("fork", "-n", "2", "--name", "child", "origin")
            #expect(forked.status == 0, "\(forked.error)")
            let restored = try await home.sandpiper("restore", "--name", "again", "kept")
            #expect(restored.status == 0, "\(restored.error)")
            let all = ["origin", "child-1", "child-2", "again"]
            for name in all {
                #expect(try await home.exec(name, advance).status == 0)
                for job in ["1", "2"] {
                    let failures = try await home.sandpiper("logs", "--job", job, name).lines
                    #expect(failures.count <= (name == "origin" ? 2 : 1), "\(name): \(failures)")
                }
            }
            #expect(try await home.host("ls shared").lines.count == 4)
            #expect(try await home.sandpiper("snapshot", "rm", "kept").status == 0)
            try await home.remove(all: all)
        }
    }

    @Test("a paused sandbox gives its volume back, and waits until it can have it again; forks share what is read only")
    func volumes() async throws {
        try await TestHome.with { home in
            let writer = try await home.create("writer", ["-v", "data:/v"])
            let refused = try await home.sandpiper("fork", "writer")
            #expect(refused.status == 125 && refused.error.contains("writes to the volume 'data'"), "\(refused.error)")
            #expect(refused.errorLines.count == 1 && writer.currentLife().status == .running)
            let script = "exec 3>>/v/log; while :; do echo tick >&3; sleep 0.05; done"
            #expect(try await home.sandpiper("exec", "-d", "writer", "--", "sh", "-c", script).status == 0)
            #expect(try await home.sandpiper("snapshot", "create", "writer", "kept").status == 0)
            #expect(try await home.sandpiper("pause", "writer").status == 0)
            try await home.waitForProcesses()

            let other = try await home.create("other", ["-v", "data:/v"])
            #expect(try await home.exec("other", "echo other >>/v/log; sync").status == 0)
            let early = try await home.sandpiper("resume", "writer")
            #expect(early.status == 125 && early.error.contains("in use by the sandbox other"), "\(early.error)")
            #expect(writer.currentLife().status == .paused)
            let restored = try await home.sandpiper("restore", "--name", "again", "kept")
            #expect(
                restored.status == 125 && restored.error.contains("in use by the sandbox other"), "\(restored.error)")
            #expect(throws: StateError.self) { try home.directory("again") }
            try await home.remove("other")
            #expect(other.currentLife().status != .running)

            #expect(try await home.sandpiper("resume", "writer").status == 0)
            let log = try await home.exec(
                "writer", "until tail -n 1 /v/log | grep -q tick; do :; done; grep -c other /v/log")
            #expect(log.lines == ["1"], "\(log.error)")
            try await home.remove("writer")
            #expect(try await home.sandpiper("restore", "--name", "again", "kept").status == 0)
            #expect(try await home.exec("again", "grep -c other /v/log").lines == ["1"])
            try await home.remove("again")
            #expect(try await home.sandpiper("snapshot", "rm", "kept").status == 0)

            _ = try await home.create("reader", ["-v", "data:/v:ro"])
            let forked = try await home.sandpiper("fork", "-n", "2", "--name", "reader", "reader")
            #expect(forked.status == 0, "\(forked.error)")
            for name in ["reader", "reader-1", "reader-2"] {
                #expect(try await home.exec(name, "grep -c other /v/log").lines == ["1"])
            }
            try await home.remove(all: ["reader", "reader-1", "reader-2"])
            #expect(try await home.sandpiper("volume", "rm", "data").status == 0)
        }
    }

    @Test("an idle sandbox with mounts is paused and wakes; what is gone on the host keeps it paused, with the reason")
    func idle() async throws {
        try await TestHome.with { home in
            let folder = try home.folder("shared")
            _ = try await home.host("echo content >shared/file")
            let sandbox = try await home.create(
                "sleepy",
                ["-v", "\(folder):/mnt", "-v", "\(folder)/file:/etc/machine-id", "--tmpfs", "/t"]
                    + ["--idle-timeout", "1s", "--on-idle", "pause"])
            #expect(try await home.exec("sleepy", "cat /mnt/file; echo here >/t/file").lines == ["content"])
            try await sandbox.wait(for: .paused)
            try await home.waitForProcesses()
            #expect(try await home.exec("sleepy", "cat /mnt/file /t/file").lines == ["content", "here"])
            try await sandbox.wait(for: .paused)
            try await home.waitForProcesses()
            _ = try await home.host("mv shared away")
            let refused = try await home.exec("sleepy", "true")
            #expect(refused.status == 125 && refused.error.contains("no such directory or file"), "\(refused.error)")
            try await sandbox.wait(for: .paused)
            _ = try await home.host("mv away shared")
            #expect(try await home.exec("sleepy", "cat /mnt/file /t/file").lines == ["content", "here"])
            // Its own files are renewed beneath what is mounted on them.
            let forked = try await home.sandpiper("fork", "--name", "child", "sleepy")
            #expect(forked.status == 0, "\(forked.error)")
            let seen = try await home.exec("child", "cat /etc/machine-id; umount /etc/machine-id; cat /etc/machine-id")
            #expect(seen.lines.first == "content" && seen.lines.last?.utf8.count == 32, "\(seen) \(seen.error)")
            try await home.remove(all: ["sleepy", "child"])
        }
    }

    @Test("a mount whose server has ended stays so through a pause")
    func lostServer() async throws {
        try await TestHome.with { home in
            let folder = try home.folder("shared")
            _ = try await home.create("box", ["-v", "\(folder):/one", "-v", "\(folder):/two"])
            let servers = try await home.mountServers("box")
            try #require(servers.count == 2)
            if let server = servers.min() { try await HostProcess(pid: server).kill() }
            let lost =
                "cd /; until ! ls one || ! ls two; do sleep 0.05; done 2>/dev/null; for i in one two; do ls $i 2>&1; done"
            let before = try await home.exec("box", lost)
            #expect(before.lines.count == 1 && before.output.contains("not connected"), "\(before)")
            #expect(try await home.sandpiper("pause", "box").status == 0)
            #expect(try await home.sandpiper("resume", "box").status == 0)
            let after = try await home.exec("box", lost)
            #expect(after.output == before.output, "\(after)")
            try await home.remove("box")
        }
    }
}
