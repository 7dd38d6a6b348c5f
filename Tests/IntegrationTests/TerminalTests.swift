import Glibc
import LinuxSystem
import Testing

/// `sandpiper run -it`: a terminal of the host that belongs to a command in a sandbox.
@Suite(.needsMachines) struct TerminalTests {
    @Test("a shell in a sandbox is used like one of the host's")
    func shell() async throws {
        try await TestHome.with(["python.tar"]) { home in
            let terminal = try Pseudoterminal()
            let mode = try await terminal.mode()
            let status = try await terminal.run(home.command(["run", "-it", "python", "bash", "--norc"])) { _ in
                await terminal.see("# ")  // the prompt
                try terminal.type("stty size; echo $TERM; tty\r")
                await terminal.see("24 80\r\nxterm\r\n/dev/pts/0\r\n")
                await terminal.see("# ")
                try terminal.resize(rows: 50, columns: 132)
                try terminal.type("until [ \"$(stty size)\" = '50 132' ]; do :; done; echo resi''zed\r")
                await terminal.see("resized")
                // The foreground job is told, too.
                try terminal.type(
                    #"python3 -c 'import signal; signal.pthread_sigmask(0, [28]); print("wai" + "ting", flush=True); print(signal.sigwait([28]))'"#
                        + "\r")
                await terminal.see("waiting")
                try terminal.resize(rows: 30, columns: 100)
                await terminal.see("28\r\n")
                // Control-C reaches the job, not the shell and not the client.
                try terminal.type("sh -c \"echo be''fore; exec sleep 1000\"\r")
                await terminal.see("before")
                try terminal.type("\u{3}")
                await terminal.see("# ")
                try terminal.type("echo status $?\r")
                await terminal.see("status 130")
                await terminal.see("# ")
                try terminal.type("(exit 9)\r")
                await terminal.see("# ")
                try terminal.type("\u{4}")
            }
            #expect(status == 9)
            #expect(try await terminal.mode() == mode)
        }
    }

    @Test("keys are not echoed twice, and not held until a line ends")
    func raw() async throws {
        try await TestHome.with { home in
            let terminal = try Pseudoterminal()
            _ = try await terminal.run(
                home.command([
                    "run", "-it", "busybox", "--", "sh", "-c", "stty raw -echo; echo go; head -c 1 | hexdump -C",
                ])
            ) { _ in
                await terminal.see("go")
                try terminal.type("k")
                await terminal.see("00000000  6b ")
            }
        }
    }

    @Test("the terminal is as it was, whatever ends the command", arguments: [SIGTERM, SIGHUP, SIGKILL])
    func restored(signal: Int32) async throws {
        try await TestHome.with { home in
            let terminal = try Pseudoterminal()
            let mode = try await terminal.mode()
            let status = try await terminal.run(
                home.command(["run", "-it", "busybox", "--", "sh", "-c", "echo up; sleep 1000"])
            ) { pid in
                await terminal.see("up")
                let raw = try await terminal.mode()
                #expect(raw != mode)
                kill(pid, signal)
            }
            #expect(status == 128 + signal)
            try await home.waitForProcesses()
            #expect(try await terminal.mode() == mode)
            _ = try await home.sandpiper("images")
        }
    }

    @Test("a terminal that is closed ends the sandbox")
    func closed() async throws {
        try await TestHome.with { home in
            let terminal = try Pseudoterminal()
            let status = try await terminal.run(
                home.command(["run", "-it", "busybox", "--", "sh", "-c", "echo up; sleep 1000"])
            ) { _ in
                await terminal.see("up")
                terminal.hangUp()
            }
            #expect(status != 0)
        }
    }

    @Test("-t without -i gives the command a terminal, and keeps stdin")
    func withoutInput() async throws {
        try await TestHome.with { home in
            let outcome = try await home.sandpiper(
                "run", "-t", "busybox", "--", "sh", "-c", "tty <&1; stty size <&1; echo err >&2")
            #expect(outcome.output == "/dev/pts/0\r\n24 80\r\nerr\r\n", "\(outcome.error)")
        }
    }

    @Test("-it without a terminal on stdin is refused in one line")
    func notATerminal() async throws {
        try await TestHome.with { home in
            let outcome = try await home.sandpiper("run", "-it", "busybox", "sh")
            #expect(outcome.status == 125)
            #expect(outcome.error == "sandpiper: -i -t: stdin is not a terminal; leave out -t\n")
        }
    }
}
