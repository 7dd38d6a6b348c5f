import Glibc
import LinuxSystem
import Sandpiper
import Testing

@Suite("Processes of a sandbox", .needsMachines, .timeLimit(.minutes(5)))
struct ProcessTests {
    @Test("exec returns both outputs and the exit status")
    func outputs() async throws {
        try await TestHost.withSandbox { sandbox in
            let output = try await sandbox.exec(["sh", "-c", "echo out; echo err >&2; exit 7"])
            #expect(output.standardOutput.text == "out\n")
            #expect(output.standardError.text == "err\n")
            #expect(output.exitStatus == .exited(7))
            let killed = try await sandbox.exec(["sh", "-c", "kill -9 $$"])
            #expect(killed.exitStatus == .signalled(9) && killed.exitStatus.code == 137)
        }
    }

    @Test("exec passes input, variables, user and directory")
    func surroundings() async throws {
        try await TestHost.withSandbox(options: .init(environment: ["FROM": "sandbox", "BOTH": "sandbox"])) { sandbox in
            let output = try await sandbox.exec(
                ["sh", "-c", "cat; echo $FROM $BOTH; id -u; pwd"], environment: ["BOTH": "process"],
                workingDirectory: "/tmp", user: "65534", input: Array("given ".utf8))
            #expect(output.standardOutput.text == "given sandbox process\n65534\n/tmp\n")
        }
    }

    @Test("a process need not read all of its input")
    func unreadInput() async throws {
        try await TestHost.withSandbox { sandbox in
            let input = [UInt8](repeating: 120, count: 4 << 20)
            let output = try await sandbox.exec(["head", "-c", "3"], input: input)
            #expect(output.standardOutput.text == "xxx" && output.exitStatus.isSuccess)
        }
    }

    @Test("a process that cannot be started is told apart by its code")
    func startFailures() async throws {
        try await TestHost.withSandbox { sandbox in
            for (command, directory, code) in [("missing", "/", 127), ("/etc", "/", 126), ("true", "/missing", 126)] {
                let error = await #expect(throws: SandpiperError.self) {
                    try await sandbox.exec([command], workingDirectory: directory)
                }
                guard case .startFailed(code, _) = error else {
                    Issue.record("\(command) in \(directory): \(String(describing: error))")
                    continue
                }
            }
            await #expect(throws: SandpiperError.self) { try await sandbox.exec(["a\0b"]) }
            await #expect(throws: SandpiperError.self) { try await sandbox.exec([]) }
            // The sandbox has not suffered from any of these.
            let output = try await sandbox.exec(["true"])
            #expect(output.exitStatus.isSuccess)
        }
    }

    @Test("a process whose time is over is killed, and what it wrote is there")
    func timeout() async throws {
        try await TestHost.withSandbox { sandbox in
            let error = await #expect(throws: SandpiperError.self) {
                try await sandbox.exec(["sh", "-c", "echo begun; sleep 1000"], timeout: .seconds(4))
            }
            guard case .timedOut(let output) = error else {
                Issue.record("\(String(describing: error))")
                return
            }
            #expect(output.standardOutput.text == "begun\n")
        }
    }

    @Test("more output than was allowed ends the process with an error")
    func outputLimit() async throws {
        try await TestHost.withSandbox { sandbox in
            let error = await #expect(throws: SandpiperError.self) {
                try await sandbox.exec(["sh", "-c", "exec cat /dev/zero"], outputLimit: 100_000)
            }
            guard case .outputTooLong(limit: 100_000) = error else {
                Issue.record("\(String(describing: error))")
                return
            }
            try await expectGone("cat /dev/zero", in: sandbox)
        }
    }

    @Test("100 MB come through stdout to a slow reader at flat memory")
    func slowReader() async throws {
        try await TestHost.withSandbox { sandbox in
            let process = try await sandbox.process(["dd", "if=/dev/zero", "bs=100000", "count=1000"])
            process.standardError.discard()
            var count = 0
            var pieces = 0
            var first = 0
            for try await piece in process.standardOutput {
                count += piece.count
                pieces += 1
                if pieces % 64 == 0 { try await Task.sleep(for: .milliseconds(10)) }
                if first == 0, count > 10_000_000 { first = try residentMemory() }
            }
            #expect(count == 100_000_000)
            #expect(try await process.exitStatus.isSuccess)
            #expect(try residentMemory() - first < 16 << 20)
        }
    }

    @Test("an output that nobody reads holds up neither the other nor other processes")
    func unreadOutput() async throws {
        try await TestHost.withSandbox { sandbox in
            let script =
                "(dd if=/dev/zero bs=1000 count=4000 2>/dev/null) >&2 & dd if=/dev/zero bs=1000 count=4000 2>/dev/null"
            let process = try await sandbox.process(["sh", "-c", script + "; echo; wait"])
            var count = 0
            for try await piece in process.standardOutput {
                count += piece.count
                if count == 4_000_001 { break }
            }
            #expect(count == 4_000_001)
            #expect(try await sandbox.exec(["echo", "here"]).standardOutput.text == "here\n")
            count = 0
            for try await piece in process.standardError { count += piece.count }
            #expect(count == 4_000_000)
            #expect(try await process.exitStatus.isSuccess)
        }
    }

    @Test("a process is talked to while it runs")
    func conversation() async throws {
        try await TestHost.withSandbox { sandbox in
            let process = try await sandbox.process(
                ["sh", "-c", "while read line; do echo \"got $line\"; done; echo end"], takesInput: true)
            let output = process.standardOutput.makeAsyncIterator()
            for word in ["one", "two"] {
                try await process.write(word + "\n")
                #expect(try await output.next() == Array("got \(word)\n".utf8))
            }
            process.closeInput()
            #expect(try await output.next() == Array("end\n".utf8))
            #expect(try await process.exitStatus.isSuccess)
            await #expect(throws: SandpiperError.self) { try await process.write("more") }
        }
    }

    @Test("a process gets signals, and a terminal of the size it is given")
    func signalAndTerminal() async throws {
        try await TestHost.withSandbox { sandbox in
            let process = try await sandbox.process(["sleep", "1000"])
            try process.signal(SIGTERM)
            #expect(try await process.exitStatus == .signalled(15))
            #expect(throws: SandpiperError.self) { try process.signal(65) }
            let shell = try await sandbox.process(
                ["sh", "-c", "read go; stty size"], terminal: (rows: 10, columns: 20))
            shell.resize(rows: 30, columns: 40)
            try await shell.write("go\n")
            var text = ""
            for try await piece in shell.standardOutput { text += String(decoding: piece, as: UTF8.self) }
            #expect(text.contains("30 40"))
        }
    }

    @Test("cancelling the task that waits kills the process")
    func cancellation() async throws {
        try await TestHost.withSandbox { sandbox in
            let task = Task { try await sandbox.exec(["sleep", "1001"]) }
            try await expectRunning("sleep 1001", in: sandbox)
            task.cancel()
            await #expect(throws: CancellationError.self) { try await task.value }
            try await expectGone("sleep 1001", in: sandbox)

            let process = try await sandbox.process(["sleep", "1002"])
            let waiting = Task { try await process.exitStatus }
            waiting.cancel()
            await #expect(throws: CancellationError.self) { try await waiting.value }
            #expect(try await process.exitStatus == .signalled(9))
        }
    }

    @Test("a process that nobody holds any more is killed")
    func dropped() async throws {
        try await TestHost.withSandbox { sandbox in
            var process: Sandbox.Process? = try await sandbox.process([
                "sh", "-c", "cat /dev/zero & exec cat /dev/zero",
            ])
            var output = process?.standardOutput
            process = nil
            // Who reads the output holds the process.
            var iterator = try #require(output).makeAsyncIterator()
            for _ in 0..<100 { #expect(try await iterator.next() != nil) }
            output = nil
            iterator = try await sandbox.process(["true"]).standardOutput.makeAsyncIterator()
            #expect(try await iterator.next() == nil)
            try await expectGone("cat /dev/zero", in: sandbox)
        }
    }

    @Test("ten processes run at a time")
    func concurrent() async throws {
        try await TestHost.withSandbox { sandbox in
            try await withThrowingTaskGroup(of: Void.self) { tasks in
                for number in 0..<10 {
                    tasks.addTask {
                        let input =
                            Array("number \(number)\n".utf8) + [UInt8](repeating: UInt8(number), count: 1_000_000)
                        let output = try await sandbox.exec(["cat"], input: input)
                        #expect(output.standardOutput.bytes == input)
                    }
                }
                try await tasks.waitForAll()
            }
        }
    }

    /// Waits in the sandbox until a process with this command line runs.
    private func expectRunning(_ command: String, in sandbox: Sandbox) async throws {
        let script =
            "for i in $(seq 1000); do ps | grep -v grep | grep -v 'sh -c' | grep -q '\(command)' && exit; done; exit 1"
        #expect(try await sandbox.exec(["sh", "-c", script]).exitStatus.isSuccess)
    }

    /// Waits in the sandbox until no process with this command line runs.
    private func expectGone(_ command: String, in sandbox: Sandbox) async throws {
        let script =
            "for i in $(seq 1000); do ps | grep -v grep | grep -v 'sh -c' | grep -q '\(command)' || exit 0; done; ps; exit 1"
        let output = try await sandbox.exec(["sh", "-c", script])
        #expect(output.exitStatus.isSuccess, "\(output.standardOutput)")
    }

    /// Memory of this process that is in the host's, in bytes.
    private func residentMemory() throws -> Int {
        let text = String(decoding: try FileTree.read("/proc/self/statm", limit: 4096), as: UTF8.self)
        return try #require(text.split(separator: " ").dropFirst().first.flatMap { Int($0) }) * 4096
    }
}
