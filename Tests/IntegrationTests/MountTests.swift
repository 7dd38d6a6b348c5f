import Glibc
import LinuxSystem
import SandboxState
import Testing

/// Directories and files of the host, and memory, in a sandbox.
@Suite(.needsMachines) struct MountTests {
    @Test("a directory of the host is one for both sides: each sees at once what the other writes")
    func bothSides() async throws {
        try await TestHome.with { home in
            let folder = try home.folder("shared")
            try FileTree.writeAtomically(Array("from the host\n".utf8), to: folder + "/host", mode: 0o640)
            let sandbox = try await home.create("box", ["-v", "\(folder):/mnt/shared"])
            let seen = try await home.exec(
                "box", "cd /mnt/shared; cat host; stat -c '%u:%g %a' host; mkdir -p a/b; echo deep >a/b/c")
            #expect(seen.lines == ["from the host", "0:0 640"], "\(seen.error)")
            #expect(
                try await home.host("cat shared/a/b/c; stat -c '%u %a' shared/a/b/c").lines == [
                    "deep", "\(geteuid()) 644",
                ])
            let changes = """
                cd /mnt/shared; chmod 600 host; echo more >>host; mv a/b/c a/d; rmdir a/b; ln host hard; ln -s a/d soft; cat soft
                stat -c %h hard
                """
            #expect(try await home.exec("box", changes).lines == ["deep", "2"])
            let result = try await home.host(
                "cd shared; cat hard; stat -c %a host; readlink soft; ls a; echo late >late")
            #expect(result.lines == ["from the host", "more", "600", "a/d", "d"])
            #expect(try await home.exec("box", "cat /mnt/shared/late").lines == ["late"])

            #expect(try await home.sandpiper("stop", "--time", "1s", "box").status == 0)
            #expect(sandbox.currentLife().status == .stopped && sandbox.currentLife().reason == nil)
            try await home.waitForProcesses()
            #expect(try await home.sandpiper("start", "box").status == 0)
            #expect(try await home.exec("box", "cat /mnt/shared/late").lines == ["late"])
            let inspected = try await home.sandpiper("inspect", "box").output
            #expect(
                inspected.contains("\"source\" : \"\(folder)\"") && inspected.contains("\"target\" : \"/mnt/shared\""))
            try await home.remove("box")
        }
    }

    @Test("a single file of the host can be mounted, and one that is read only cannot be changed")
    func files() async throws {
        try await TestHome.with { home in
            let folder = try home.folder("files")
            try FileTree.writeAtomically(Array("one\n".utf8), to: folder + "/one")
            let script =
                "cat /etc/one /w/one; echo two >>/w/one; echo x 2>/dev/null >>/etc/one || echo refused; rm -f /etc/one 2>/dev/null || echo stays"
            let outcome = try await home.busybox(
                script,
                options: ["-v", "\(folder)/one:/etc/one:ro", "-v", "\(folder)/one:/w/one", "-v", "\(folder):/ro:ro"])
            #expect(outcome.lines == ["one", "one", "refused", "stays"], "\(outcome.error)")
            #expect(try await home.host("cat files/one").lines == ["one", "two"])
            let readOnly = """
                cd /ro; for command in 'touch new' 'rm one' 'mv one two' 'mkdir d' 'ln one two' 'chmod 777 one' 'truncate -s 0 one'; do
                $command 2>/dev/null && echo "$command"; done; cat one; mount -o remount,rw /ro 2>/dev/null; echo x 2>/dev/null >>one || echo refused
                """
            let refused = try await home.busybox(readOnly, options: ["-v", "\(folder):/ro:ro"])
            // Root may make the mount writable: the server refuses all the same.
            #expect(refused.lines == ["one", "two", "refused"], "\(refused.error)")
            #expect(try await home.host("cat files/one; ls files").lines == ["one", "two", "one"])
        }
    }

    @Test("what cannot be mounted is refused in one line before anything is made")
    func refusals() async throws {
        try await TestHome.with { home in
            let folder = try home.folder("there")
            let refusals: [([String], String)] = [
                (["-v", "\(folder)/none:/x"], "there is no such directory or file"),
                (["-v", "/dev/null:/x"], "neither a directory nor a regular file"),
                (["-v", "\(folder):x"], "not absolute"), (["-v", "\(folder):/"], "would hide the image"),
                (["-v", "\(folder):/proc/x"], "belongs to the sandbox's kernel"),
                (["-v", "\(folder):/x/../y"], "holds '..'"),
                (["-v", "\(folder):/x", "--tmpfs", "/x/"], "the same target /x"),
                (["-v", "\(folder)"], "write HOST:GUEST"),
                (["-v", "\(folder):/x:maybe"], "is no option"), (["-v", "a b:/x"], "is no name of a volume"),
                (["--tmpfs", "/x:lots"], "is no size"),
                (["-v", "\(folder):/x", "--scratch", "/x/s"], "would be hidden"),
            ]
            for (options, reason) in refusals {
                let outcome = try await home.sandpiper(["run"] + options + ["busybox", "true"])
                #expect(outcome.status == 125 && outcome.error.contains(reason), "\(options): \(outcome.error)")
                #expect(outcome.errorLines.count == 1)
            }
            // A directory cannot be seen at a file of the image: only the guest finds that out.
            let late = try await home.sandpiper("create", "-v", "\(folder):/bin/sh", "busybox")
            #expect(late.status == 125 && late.error.contains("cannot mount \(folder) at /bin/sh"), "\(late.error)")
            try await home.waitForProcesses()
            try await home.expectNothingLeft()
        }
    }

    @Test("a directory that has gone since the sandbox was made is told when it starts")
    func gone() async throws {
        try await TestHome.with { home in
            let folder = try home.folder("fleeting")
            #expect(
                try await home.sandpiper("create", "--no-start", "--name", "box", "-v", "\(folder):/x", "busybox")
                    .status == 0)
            try FileTree.removeTree(folder)
            let started = try await home.sandpiper("start", "box")
            #expect(started.status == 125 && started.error.contains("any more"), "\(started.error)")
            try await home.remove("box")
        }
    }

    @Test("relative paths begin at the working directory, and mounts may lie below each other in any order")
    func nested() async throws {
        try await TestHome.with { home in
            try home.folder("outer/inner")
            let other = try home.folder("other")
            try FileTree.writeAtomically(Array("other\n".utf8), to: other + "/file")
            let script = "cat /w/inner/file; echo big >/w/inner/tmp/x; mount | grep -c 'tmpfs on /w/inner/tmp'; ls /w"
            let outcome = try await home.host(
                "sandpiper run -v ./other:/w/inner --tmpfs /w/inner/tmp:1m -v ./outer:/w busybox sh -c \"\(script)\"")
            #expect(outcome.lines == ["other", "1", "inner"], "\(outcome.error)")
            #expect(try FileTree.names(in: other) == ["file", "tmp"])
            #expect(try FileTree.names(in: other + "/tmp") == [])
        }
    }

    @Test("memory is limited, for everybody, and gone after a stop")
    func memory() async throws {
        try await TestHome.with { home in
            let script = """
                dd if=/dev/zero of=/t/x bs=1M count=3 2>&1 | grep -c 'No space'; stat -c '%a %s' /t /t/x; stat -c %a /m
                mount | grep -c ' /t .*nosuid,nodev'
                """
            let outcome = try await home.busybox(
                script, options: ["--tmpfs", "/t:2m", "--tmpfs", "/m:size=1m,mode=700"])
            #expect(outcome.lines == ["1", "1777 60", "644 2097152", "700", "1"], "\(outcome.output)")
        }
    }

    @Test("nothing in a mount leads a program of the sandbox to another file of the host")
    func escapes() async throws {
        try await TestHome.with { home in
            let folder = try home.folder("cage")
            try FileTree.writeAtomically(Array("secret\n".utf8), to: home.scratch + "/secret")
            #expect(symlink("\(home.scratch)/secret", folder + "/absolute") == 0)
            #expect(symlink("../secret", folder + "/relative") == 0)
            #expect(symlink("/etc/passwd", folder + "/passwd") == 0)
            let script = """
                cd /cage; cat absolute relative ../secret 2>/dev/null || echo none; head -1 passwd; ln -s ../../secret made; cat made 2>/dev/null
                ln absolute hard 2>/dev/null && cat hard 2>/dev/null; echo x 2>/dev/null >relative; ls /cage/.. | grep -c cage
                """
            let outcome = try await home.busybox(script, options: ["-v", "\(folder):/cage"])
            let own = try await home.busybox("head -1 /etc/passwd").lines
            #expect(outcome.lines == ["none"] + own + ["1"], "\(outcome.output)")
            #expect(try await home.host("cat secret").lines == ["secret"])
        }
    }

    @Test("when the server of a mount is killed its users get an error, and the sandbox goes on")
    func killedServer() async throws {
        try await TestHome.with { home in
            let folder = try home.folder("lost")
            _ = try await home.create("box", ["-v", "\(folder):/lost", "-v", "\(folder):/kept"])
            let servers = try await home.mountServers("box")
            try #require(servers.count == 2)
            let waiting =
                "exec 3>/lost/open; echo ready; while echo x 2>/dev/null >&3; do sleep 0.1; done; cat /lost/open 2>&1; echo over"
            let outcome = try await home.sandpiper("exec", "box", "--", "sh", "-c", waiting) { command in
                try await command.expectLine("ready")
                #expect(
                    try await home.host("kill -KILL $(pgrep -P \(home.supervisor("box").pid) -f 'name /lost')").status
                        == 0)
                try await command.expectLine("cat: can't open '/lost/open': Transport endpoint is not connected")
                try await command.expectLine("over")
            }
            #expect(outcome.status == 0)
            #expect(
                try await home.exec("box", "echo on >/kept/x; cat /kept/x; ls /lost 2>&1 | wc -l").lines == ["on", "1"])
            #expect(try await home.host("grep unmount '\(home.path)/events.log'").output.contains("/lost"))
            #expect(try await home.sandpiper("stop", "--time", "1s", "box").status == 0)
            try await home.waitForProcesses()
            try await home.remove("box")
        }
    }

    @Test("a process that waits for a server that does not answer cannot keep its sandbox from stopping")
    func hangingServer() async throws {
        try await TestHome.with { home in
            let folder = try home.folder("slow")
            let sandbox = try await home.create("box", ["-v", "\(folder):/slow"])
            let servers = try await home.mountServers("box")
            for server in servers { kill(server, SIGSTOP) }
            #expect(
                try await home.sandpiper("exec", "-d", "box", "--", "sh", "-c", "ls /slow; echo x >/slow/y").status == 0
            )
            #expect(try await home.exec("box", "echo alive").lines == ["alive"])
            let begun = ContinuousClock.now
            #expect(try await home.sandpiper("stop", "--time", "1s", "box").status == 0)
            #expect(begun.duration(to: .now) < .seconds(15))
            #expect(sandbox.currentLife().status == .stopped)
            try await home.waitForProcesses()
            #expect(servers.allSatisfy { kill($0, 0) != 0 })
            try await home.remove("box")
        }
    }

    @Test("an idle sandbox with mounts is idle")
    func idleness() async throws {
        try await TestHome.with { home in
            let folder = try home.folder("idle")
            let sandbox = try await home.create("box", ["-v", "\(folder):/idle", "--idle-timeout", "500ms"])
            try await sandbox.wait(for: .stopped)
            #expect(sandbox.currentLife().reason?.contains("idle") == true)
            try await home.remove("box")
        }
    }
}

extension TestHome {
    /// Makes a folder among the test's own files.
    @discardableResult
    func folder(_ name: String) throws -> String {
        let path = "\(scratch)/\(name)"
        try FileTree.makeDirectory(path, mode: 0o755)
        return path
    }

    /// The processes that serve the mounts of a sandbox.
    func mountServers(_ name: String) async throws -> [pid_t] {
        try await host("pgrep -P \(supervisor(name).pid) -f sandpiper-mounts").lines.compactMap { pid_t($0) }
    }
}
