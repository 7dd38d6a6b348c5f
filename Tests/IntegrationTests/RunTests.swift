import Glibc
import LinuxSystem
import Testing

/// `sandpiper run` as Docker's users know it.
@Suite(.needsMachines) struct RunTests {
    @Test("python code runs in a machine of its own")
    func python() async throws {
        try await TestHome.with(["python.tar"]) { home in
            let outcome = try await home.sandpiper("run", "python", "--", "python3", "-c", "print(6*7)")
            #expect(outcome.output == "42\n")
            #expect(outcome.status == 0, "\(outcome.error)")
        }
    }

    @Test("what is piped in reaches the command")
    func input() async throws {
        try await TestHome.with { home in
            let outcome = try await home.sandpiper("run", "-i", "busybox", "--", "wc", "-c", input: "data\n")
            #expect(outcome.output == "5\n")
            #expect(outcome.status == 0)
        }
    }

    @Test("without -i the command's stdin is empty")
    func noInput() async throws {
        try await TestHome.with { home in
            let outcome = try await home.sandpiper("run", "busybox", "wc", "-c", input: "data\n")
            #expect(outcome.output == "0\n")
        }
    }

    @Test("options after the image are the command's", arguments: [[], ["--"]])
    func commandOptions(separator: [String]) async throws {
        try await TestHome.with { home in
            let outcome = try await home.sandpiper(
                ["run", "busybox"] + separator + ["echo", "-e", "--name", "-i", "--"])
            #expect(outcome.output == "--name -i --\n")
            #expect(outcome.status == 0)
        }
    }

    @Test("a command's arguments arrive byte for byte")
    func arguments() async throws {
        try await TestHome.with { home in
            let arguments = [
                "", " two  spaces ", "line\nfeed", "*?$`'\"\\", "ünïcödé ☃", String(repeating: "x", count: 100_000),
            ]
            let outcome = try await home.sandpiper(["run", "busybox", "--", "printf", "<%s>"] + arguments)
            #expect(outcome.output == arguments.map { "<\($0)>" }.joined())
        }
    }

    @Test("four sandboxes run at once, each its own code")
    func several() async throws {
        try await TestHome.with { home in
            let outputs = try await withThrowingTaskGroup(of: String.self) { group in
                for number in 0..<4 {
                    group.addTask { try await home.busybox("echo $((\(number) * 10))").output }
                }
                return try await group.reduce(into: []) { $0.append($1) }
            }
            #expect(outputs.sorted() == ["0\n", "10\n", "20\n", "30\n"])
        }
    }

    @Test("a home with a path of 200 characters serves like any other")
    func longHome() async throws {
        let base = try TestHome()
        defer { base.remove() }
        let length = 200 - base.scratch.utf8.count - 1
        try await TestHome.with(name: String(repeating: "h", count: length)) { home in
            #expect((198...202).contains(home.path.utf8.count))
            let outcome = try await home.sandpiper("run", "--name", "far", "busybox", "--", "echo", "here")
            #expect(outcome.output == "here\n", "\(outcome.error)")
        }
    }

    @Test("--timings tells the stages of a start on stderr")
    func timings() async throws {
        try await TestHome.with { home in
            let outcome = try await home.sandpiper("run", "--timings", "busybox", "echo", "out")
            #expect(outcome.output == "out\n")
            let stages = outcome.errorLines.compactMap { $0.split(separator: " ms  ").last }
            for stage in ["supervisor started", "engine started", "configured", "process started", "process ended"] {
                #expect(stages.contains(Substring(stage)))
            }
        }
    }
}
