import Glibc
import LinuxSystem
import Testing

/// stdin, stdout and stderr of a command in a sandbox: separate, exact, bounded, and never in each other's way.
@Suite(.needsMachines) struct StandardStreamsTests {
    /// Most MiB that the client or the supervisor may ever hold, whatever flows through them.
    private static let memoryLimit = 64

    @Test("100 MB go in and come back unchanged")
    func roundTrip() async throws {
        try await TestHome.with { home in
            let outcome = try await home.host(
                """
                data() { openssl enc -aes-128-ctr -pass pass:seed -nosalt -md sha256 </dev/zero 2>/dev/null | head -c 100000000; }
                data | sandpiper run -i busybox -- cat | sha256sum
                data | sha256sum
                """)
            #expect(outcome.lines.count == 2)
            #expect(outcome.lines.first == outcome.lines.last, "\(outcome.error)")
        }
    }

    @Test("a command that never reads its stdin ends at once, however much waits there")
    func unreadInput() async throws {
        try await TestHome.with { home in
            let outcome = try await home.host(
                "head -c 50000000 /dev/zero | sandpiper run -i busybox -- sh -c 'sleep 1; exit 3'")
            #expect(outcome.status == 3, "\(outcome.error)")
        }
    }

    @Test("stdin that never ends does not keep a command that ends")
    func endlessInput() async throws {
        try await TestHome.with { home in
            let outcome = try await home.host(
                "mkfifo input; sandpiper run -i busybox -- head -n 1 <>input & echo line >input; wait $!")
            #expect(outcome.output == "line\n", "\(outcome.error)")
            #expect(outcome.status == 0)
        }
    }

    @Test("the end of stdin reaches a command that waits for it")
    func endOfInput() async throws {
        try await TestHome.with { home in
            let outcome = try await home.host(
                "printf no-line-feed | sandpiper run -i busybox -- sh -c 'cat; echo; cat; echo ended'")
            #expect(outcome.lines == ["no-line-feed", "ended"])
        }
    }

    @Test(
        "a client without stdin, stdout or stderr is no trouble",
        arguments: [("<&-", "out\n", "err\n"), (">&-", "", "err\n"), ("2>&-", "out\n", ""), ("<&- >&- 2>&-", "", "")])
    func closed(redirection: String, output: String, error: String) async throws {
        try await TestHome.with { home in
            let outcome = try await home.host(
                "timeout --signal=KILL 20 sandpiper run -i busybox -- sh -c 'cat; echo out; echo err >&2; exit 4' </dev/null \(redirection)"
            )
            #expect(outcome.output == output)
            #expect(outcome.error == error)
            // A program that writes where nothing is gets an error, as it would get from write(2).
            #expect(outcome.status == 4)
        }
    }

    @Test("a reader that goes away ends the sandbox as it ends any program that writes to it")
    func closedOutput() async throws {
        try await TestHome.with { home in
            let outcome = try await home.host("sandpiper run busybox -- yes | head -n 1; echo ${PIPESTATUS[0]}")
            #expect(outcome.lines == ["y", "\(128 + SIGPIPE)"])
            #expect(outcome.error == "")
        }
    }

    @Test("a flood on stdout that nobody reads neither delays stderr nor grows memory")
    func flood() async throws {
        try await TestHome.with { home in
            // stdout is a pipe that this script holds open and does not read.
            let script = """
                mkfifo output errors; exec 8<>output
                sandpiper run busybox -- sh -c 'yes & for i in 1 2 3 4 5; do sleep 0.5; echo line $i >&2; done; sleep 1000' \
                  >output 2>errors 8>&- & client=$!
                head -n 5 <errors
                grep -H VmHWM /proc/$client/status; for child in $(pgrep --parent $client); do grep VmHWM /proc/$child/status; done
                kill -KILL $client; wait $client
                """
            let outcome = try await home.host(script)
            #expect(outcome.lines.prefix(5) == ["line 1", "line 2", "line 3", "line 4", "line 5"])
            let peaks = outcome.lines.dropFirst(5).compactMap { $0.split(separator: " ").dropLast().last }.compactMap {
                Int($0)
            }
            #expect(peaks.count == 2)
            #expect(peaks.allSatisfy { $0 < Self.memoryLimit << 10 }, "\(peaks) KiB")
            try await home.waitForProcesses()
            _ = try await home.sandpiper("images")
        }
    }

    @Test("memory stays flat under 100 MB of output that is read slowly")
    func flatMemory() async throws {
        try await TestHome.with { home in
            let outcome = try await home.host(
                """
                mkfifo output
                sandpiper run busybox -- sh -c 'head -c 100000000 /dev/zero; sleep 1000' >output & client=$!
                exec 7<output
                for portion in $(seq 90); do head -c 1000000 <&7 | wc -c; sleep 0.02; done | sort -u
                for process in $client $(pgrep --parent $client); do grep VmHWM /proc/$process/status; done
                kill -TERM $client; cat <&7 >/dev/null; wait $client
                """)
            #expect(outcome.status == 128 + SIGTERM, "\(outcome.error)")
            #expect(outcome.lines.first == "1000000")
            let peaks = outcome.lines.dropFirst().compactMap { $0.split(separator: " ").dropLast().last }.compactMap {
                Int($0)
            }
            #expect(peaks.count == 2)
            #expect(peaks.allSatisfy { $0 < Self.memoryLimit << 10 }, "\(peaks) KiB")
        }
    }
}
