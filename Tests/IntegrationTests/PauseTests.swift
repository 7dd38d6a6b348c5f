import Glibc
import LinuxSystem
import SandboxState
import Testing

/// Sandboxes that are frozen and go on.
@Suite(.needsMachines) struct PauseTests {
    /// Counts in a file that it keeps open, and says so.
    static let counter = """
        exec 5> /tmp/count; i=0
        while :; do i=$((i + 1)); echo "tick $i"; echo $i > /tmp/now; echo $i >&5; sleep 0.1; done
        """

    @Test("a paused sandbox goes on where it was: processes, open files, background jobs and their logs")
    func goesOn() async throws {
        try await TestHome.with { home in
            let sandbox = try await home.create("still")
            #expect(try await home.sandpiper("exec", "-d", "still", "--", "sh", "-c", Self.counter).output == "1\n")
            let before = try await home.exec(
                "still", "echo content > /file; cat /proc/sys/kernel/random/boot_id /etc/machine-id; hostname")
            for round in 1...3 {
                let paused = try await home.sandpiper("pause", "still")
                #expect(paused.status == 0, "\(paused.error)")
                #expect(sandbox.currentLife().status == .paused)
                try await home.waitForProcesses()
                let ticks = try await home.sandpiper("logs", "--job", "1", "still").lines
                #expect(try await home.exec("still", "true").error.contains("resume"))
                #expect(try await home.sandpiper("start", "--help").status == 0)
                let resumed = try await home.sandpiper("resume", "still")
                #expect(resumed.status == 0, "\(resumed.error)")
                #expect(sandbox.currentLife().status == .running, "\(round)")
                let later = try await home.exec("still", "sleep 0.5; cat /tmp/now; wc -l < /tmp/count; date +%s").lines
                try #require(later.count == 3)
                #expect(Int(later[0]).map { $0 >= ticks.count } == true, "\(later) \(ticks.count)")
                #expect(Int(later[2]).map { abs($0 - time(nil)) < 30 } == true, "\(later)")
            }
            let log = try await home.sandpiper("logs", "--job", "1", "still").lines
            #expect(log == (0..<log.count).map { "tick \($0 + 1)" })
            let after = try await home.exec(
                "still", "cat /proc/sys/kernel/random/boot_id /etc/machine-id; hostname; cat /file")
            #expect(after.output == before.output + "content\n")
            #expect(try await home.sandpiper("kill", "--job", "1", "still").status == 0)
            #expect(
                try await home.exec("still", "sleep 0.3; cat /tmp/now > /a; sleep 0.3; cmp /a /tmp/now").status == 0)
            try await home.remove("still")
        }
    }

    @Test("a client waits while its sandbox is paused, and finds its process as it was")
    func clients() async throws {
        try await TestHome.with { home in
            let sandbox = try await home.create("talk")
            let outcome = try await home.sandpiper(
                "exec", "talk", "--", "sh", "-c", "echo begun; sleep 1; echo middle; sleep 1; echo end; exit 7"
            ) { client in
                try await client.expectLine("begun")
                #expect(try await home.sandpiper("pause", "talk").status == 0)
                #expect(sandbox.currentLife().status == .paused && sandbox.isOwned)
                #expect(!FileTree.exists(sandbox.engine))
                #expect(try await home.sandpiper("resume", "talk").status == 0)
                try await client.expectLine("middle")
                #expect(try await home.sandpiper("pause", "--keep-memory", "talk").status == 0)
                #expect(sandbox.currentLife().status == .paused && sandbox.isOwned)
                #expect(try await home.sandpiper("resume", "talk").status == 0)
                try await client.expectLine("end")
            }
            #expect(outcome.status == 7)
            // When the client goes while it waits, its process goes with it.
            let counter =
                "echo 0 > /dev/shm/now; echo begun; while :; do i=$((i + 1)); echo $i > /dev/shm/now; sleep 0.1; done"
            _ = try await home.sandpiper("exec", "talk", "--", "sh", "-c", counter) { client in
                try await client.expectLine("begun")
                #expect(try await home.sandpiper("pause", "talk").status == 0)
                client.signal(SIGKILL)
            }
            try await home.waitForProcesses()
            #expect(sandbox.currentLife().status == .paused)
            #expect(try await home.sandpiper("resume", "talk").status == 0)
            #expect(
                try await home.exec("talk", "sleep 0.3; cat /dev/shm/now > /a; sleep 0.3; cmp /a /dev/shm/now").status
                    == 0)
            try await home.remove("talk")
        }
    }

    @Test("a paused sandbox has not come to its end: 'wait' waits for that")
    func wait() async throws {
        try await TestHome.with { home in
            // What ends it hears of its own end before.
            let script = "while [ ! -e /end ]; do sleep 0.1; done; sleep 1; exit 5"
            _ = try await home.create("long", command: ["sh", "-c", script])
            let waited = try await home.sandpiper("wait", "long") { waiting in
                #expect(try await home.sandpiper("pause", "long").status == 0)
                #expect(try await home.sandpiper("resume", "long").status == 0)
                #expect(try await home.exec("long", "touch /end").status == 0)
                try await waiting.expectLine("5")
            }
            #expect(waited.status == 5, "\(waited)")
            try await home.remove("long")
        }
    }

    @Test("an idle sandbox is paused and goes on with the next request")
    func idle() async throws {
        try await TestHome.with { home in
            let sandbox = try await home.create(
                "lazy", ["--idle-timeout", "1s", "--on-idle", "pause"])
            #expect(try await home.exec("lazy", "echo kept > /dev/shm/x").status == 0)
            for _ in 1...2 {
                try await sandbox.wait(for: .paused)
                try await home.waitForProcesses()
                // Of many at once one wakes it, and all get what they want.
                let outputs = try await withThrowingTaskGroup(of: Outcome.self) { group in
                    for _ in 0..<4 { group.addTask { try await home.exec("lazy", "cat /dev/shm/x") } }
                    return try await group.reduce(into: []) { $0.append($1) }
                }
                for outcome in outputs { #expect(outcome.output == "kept\n", "\(outcome.error)") }
            }
            try await sandbox.wait(for: .paused)
            try await home.waitForProcesses()
            #expect(try await home.sandpiper("cp", "lazy:/etc/hostname", "-").status == 0)
            try await home.remove("lazy")
        }
    }

    @Test("a caller at a published port wakes an idle sandbox, and keeps it awake")
    func callers() async throws {
        try await TestHome.with { home in
            let sandbox = try await home.create(
                "server", ["--idle-timeout", "1s", "--on-idle", "pause", "-p", "0:80", "-p", "0:7/udp"])
            let server = """
                mkdir /www; echo served > /www/index.html; cd /www; httpd -p 80
                (nc -lu -p 7 -e cat >/dev/null 2>&1 </dev/null &)
                """
            #expect(try await home.exec("server", server).status == 0)
            let ports = try await home.sandpiper("port", "ls", "server").output
            let port = try #require(ports.firstMatch(of: /127\.0\.0\.1:([0-9]+):80/)?.1, "\(ports)")
            for _ in 1...2 {
                try await sandbox.wait(for: .paused)
                // Of many at once one wakes it, and all get what they want.
                let fetched = try await home.host(
                    "for i in 1 2 3; do curl --silent --max-time 60 http://127.0.0.1:\(port)/ & done; wait")
                #expect(fetched.output == "served\nserved\nserved\n", "\(fetched)")
            }
            // Who holds a connection uses it.
            let held = try await home.host(
                """
                exec 3<>/dev/tcp/127.0.0.1/\(port); sleep 4; printf 'GET / HTTP/1.0\\r\\n\\r\\n' >&3; tail -n 1 <&3
                """)
            #expect(held.output == "served\n", "\(held)")
            // Asleep, it does what is asked of it as if it were awake.
            try await sandbox.wait(for: .paused)
            #expect(try await home.exec("server", "cat /www/index.html").output == "served\n")
            try await sandbox.wait(for: .paused)
            #expect(try await home.sandpiper("snapshot", "create", "server", "kept").status == 0)
            try await sandbox.wait(for: .paused)
            // Once it is paused by somebody, it stays so.
            #expect(try await home.sandpiper("pause", "server").status == 0)
            try await home.waitForProcesses()
            #expect(try await home.host("curl --silent http://127.0.0.1:\(port)/").status == 7)
            try await home.remove("server")
            #expect(try await home.sandpiper("snapshot", "rm", "kept").status == 0)
        }
    }

    @Test("a paused sandbox survives the host's restart and a move of its home")
    func moved() async throws {
        try await TestHome.with { home in
            let sandbox = try await home.create("mover")
            #expect(try await home.sandpiper("exec", "-d", "mover", "--", "sh", "-c", Self.counter).status == 0)
            #expect(try await home.sandpiper("pause", "mover").status == 0)
            try await home.waitForProcesses()
            // As after a restart of the host: the engine's program is of no use any more.
            let manifest = sandbox.frozen + "/manifest.json"
            let text = String(decoding: try FileTree.read(manifest), as: UTF8.self)
            #expect(text.contains(try HostClock.boot()))
            try FileTree.writeAtomically(
                Array(text.replacing(try HostClock.boot(), with: "00000000-0000-0000-0000-000000000000").utf8),
                to: manifest)
            let script = """
                cp -a '\(home.path)' moved; rm -rf '\(home.path)/templates'; export SANDPIPER_HOME=$PWD/moved
                sandpiper resume mover >resume.out 2>&1 </dev/null || cat resume.out
                sleep 0.5; sandpiper exec mover -- sh -c 'cat /tmp/now; sleep 0.5; cat /tmp/now'
                sandpiper pause mover >/dev/null && sandpiper resume mover > resume.out 2>&1 </dev/null
                sandpiper exec mover -- cat /proc/sys/kernel/hostname
                sandpiper rm -f mover >/dev/null
                """
            let moved = try await home.host(script)
            #expect(
                moved.lines.count == 3 && moved.lines[0] != moved.lines[1]
                    && moved.lines.last == "\(sandbox.id.description.prefix(12))", "\(moved)")
            try await home.waitForProcesses()
            try await home.remove("mover")
        }
    }

    @Test("a paused sandbox can be stopped, started anew, and removed")
    func ends() async throws {
        try await TestHome.with { home in
            let sandbox = try await home.create("ender")
            #expect(try await home.exec("ender", "echo on disk > /file; sync; echo in memory > /dev/shm/x").status == 0)
            #expect(try await home.sandpiper("pause", "ender").status == 0)
            #expect(try await home.sandpiper("ls").output.contains("paused"))
            #expect(try await home.sandpiper("stop", "ender").status == 0)
            #expect(sandbox.currentLife().status == .stopped && !FileTree.exists(sandbox.frozen))
            #expect(try await home.sandpiper("resume", "ender").error.contains("not paused"))
            #expect(try await home.sandpiper("start", "ender").status == 0)
            #expect(try await home.exec("ender", "cat /file; ls /dev/shm").output == "on disk\n")
            #expect(try await home.sandpiper("pause", "ender").status == 0)
            #expect(try await home.sandpiper("prune", "--sandboxes", "-f").output == "")
            #expect(try await home.sandpiper("rm", "ender").status == 0)
        }
    }

    @Test("a supervisor that is killed while it resumes leaves its sandbox paused, running or crashed")
    func killed() async throws {
        try await TestHome.with { home in
            let sandbox = try await home.create("victim")
            #expect(try await home.exec("victim", "echo kept > /dev/shm/x; echo kept > /file; sync").status == 0)
            #expect(try await home.sandpiper("pause", "victim").status == 0)
            for _ in 1...3 {
                let delay = Double.random(in: 0...0.1)
                _ = try await home.host(
                    """
                    name='[s]andpiper-supervisor \(sandbox.id)'
                    sandpiper resume victim >out 2>&1 </dev/null & sleep \(delay)
                    pkill -KILL -f "$name" && while pgrep -f "$name" >/dev/null; do sleep 0.05; done
                    wait
                    # A process has no name any more a moment before its lock is free.
                    sleep 0.2
                    """)
                let life = sandbox.currentLife()
                switch life.status {
                case .paused:
                    try await home.waitForProcesses()
                    #expect(try await home.sandpiper("resume", "victim").status == 0)
                    #expect(try await home.exec("victim", "cat /dev/shm/x").output == "kept\n")
                case .running:
                    // It had begun too late to be killed.
                    #expect(try await home.exec("victim", "cat /dev/shm/x").output == "kept\n")
                default:
                    // It ran already, and was turned off.
                    #expect(life.status == .crashed, "\(life)")
                    try await home.waitForProcesses()
                    #expect(try await home.sandpiper("start", "victim").status == 0)
                    #expect(try await home.exec("victim", "cat /file; echo kept > /dev/shm/x").output == "kept\n")
                }
                #expect(try await home.sandpiper("pause", "victim").status == 0)
            }
            try await home.remove("victim")
        }
    }
}
