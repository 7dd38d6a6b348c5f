import SandboxState
import Testing

/// Programs that are at work while their sandbox is frozen, restored and forked: those of `Tests/Workloads`.
@Suite(.needsMachines) struct FrozenWorkloadTests {
    /// A program, and the status with which it ends when it has found nothing wrong.
    struct Workload: Sendable, CustomTestStringConvertible {
        let name: String
        let status: Int32

        var testDescription: String { name }
    }

    /// What sandboxes are used for: an idle shell, a busy loop, a compile, databases with open transactions, a server with
    /// connections, 2,000 processes, 300 MiB of memory.
    static let all = [
        Workload(name: "shell", status: 11), Workload(name: "loop", status: 12), Workload(name: "compile", status: 13),
        Workload(name: "database", status: 14), Workload(name: "server", status: 15),
        Workload(name: "processes", status: 16), Workload(name: "memory", status: 17),
    ]

    @Test(
        "a program goes on through pause, snapshot, restore and five forks, with its files, its log and its status",
        .isLong, arguments: all)
    func goesOn(_ workload: Workload) async throws {
        try await TestHome.with(["python.tar"]) { home in
            let made = try await home.sandpiper("create", "--name", "parent", "python")
            try #require(made.status == 0, "\(made.error)")
            #expect(try await home.sandpiper("cp", Built.workloads, "parent:/workloads").status == 0)
            let job = try await home.workload(workload, "start", "parent", options: ["-d"])
            #expect(job.output == "1\n", "\(job.error)")
            let begun = try await home.workload(workload, "check", "parent")
            try #require(begun.status == 0, "\(begun.output)\(begun.error)")
            let digest = try #require(begun.lines.last)
            func check(_ sandbox: String, part: Int, _ location: SourceLocation = #_sourceLocation) async throws {
                let found = try await home.workload(workload, "check", sandbox, ["\(part)"])
                #expect(
                    found.status == 0 && found.lines.last == digest, "\(sandbox): \(found.output)\(found.error)",
                    sourceLocation: location)
            }

            for command in [["pause", "parent"], ["resume", "parent"]] {
                let outcome = try await home.sandpiper(command)
                try #require(outcome.status == 0, "\(outcome.error)")
            }
            try await check("parent", part: 0)

            let written = try await home.sandpiper("snapshot", "create", "parent", "written")
            try #require(written.status == 0, "\(written.error)")
            try await check("parent", part: 1)
            let restored = try await home.sandpiper("restore", "--name", "restored", "written")
            try #require(restored.status == 0, "\(restored.error)")
            try await check("restored", part: 2)
            try await home.finish(workload, "restored")

            // From memory of which a part was changed since.
            let forked = try await home.sandpiper("fork", "-n", "5", "--name", "child", "parent")
            try #require(forked.status == 0 && forked.lines.count == 5, "\(forked.error)")
            for number in 1...5 { try await check("child-\(number)", part: number) }
            try await check("parent", part: 3)
            for number in 1...5 { try await home.finish(workload, "child-\(number)") }

            // And the first as well, once more from the disk.
            for command in [["pause", "parent"], ["resume", "parent"]] {
                #expect(try await home.sandpiper(command).status == 0)
            }
            try await home.finish(workload, "parent")
            #expect(try await home.sandpiper("snapshot", "rm", "written").status == 0)
            try await home.remove(all: ["parent", "restored"] + (1...5).map { "child-\($0)" })
        }
    }

    @Test("a shell at a terminal goes on answering, and one in the background answers in each fork")
    func shells() async throws {
        try await TestHome.with { home in
            _ = try await home.create("parent")
            let shell = "number=41; cd /etc; echo set; while read -r line; do eval \"$line\"; done"
            let background = try await home.sandpiper("exec", "-d", "-i", "parent", "--", "sh", "-c", shell)
            #expect(background.output == "1\n", "\(background.error)")
            let terminal = try Pseudoterminal()
            let status = try await terminal.run(home.command(["exec", "-it", "parent", "sh"])) { _ in
                try terminal.type("answer=41; cd /bin; echo re''ady\r")
                await terminal.see("ready\r")
                var answer = 41
                for operation in [
                    ["pause", "parent"], ["resume", "parent"], ["pause", "--keep-memory", "parent"],
                    ["resume", "parent"], ["snapshot", "create", "parent", "written"],
                    ["fork", "-n", "2", "--name", "child", "parent"], ["restore", "--name", "child-3", "written"],
                ] {
                    let outcome = try await home.sandpiper(operation)
                    #expect(outcome.status == 0, "\(operation): \(outcome.error)")
                    if operation[0] == "pause" { continue }
                    try terminal.type("answer=$((answer + 1)); echo \"<$answer $PWD>\"\r")
                    answer += 1
                    await terminal.see("<\(answer) /bin>")
                }
                try terminal.type("exit 7\r")
            }
            #expect(status == 7)
            for (index, name) in ["child-1", "child-2", "child-3", "parent"].enumerated() {
                let answer = try await home.sandpiper(
                    "attach", name, "1", input: "echo $((number + \(index))) $PWD; exit \(20 + index)\n")
                #expect(answer.output == "set\n\(41 + index) /etc\n", "\(name): \(answer)")
                #expect(answer.status == 20 + Int32(index))
            }
            #expect(try await home.sandpiper("snapshot", "rm", "written").status == 0)
            try await home.remove(all: ["parent", "child-1", "child-2", "child-3"])
        }
    }
}

extension TestHome {
    /// Has `workload.sh` do something in a sandbox.
    func workload(
        _ workload: FrozenWorkloadTests.Workload, _ verb: String, _ sandbox: String, _ arguments: [String] = [],
        options: [String] = []
    ) async throws -> Outcome {
        try await sandpiper(
            ["exec"] + options + [sandbox, "--", "sh", "/workloads/workload.sh", verb, workload.name] + arguments)
    }

    /// Lets the program of a sandbox end, and expects its status and a log without a gap.
    fileprivate func finish(
        _ workload: FrozenWorkloadTests.Workload, _ sandbox: String, location: SourceLocation = #_sourceLocation
    ) async throws {
        let finished = try await self.workload(workload, "finish", sandbox)
        #expect(finished.status == 0, "\(sandbox): \(finished.output)\(finished.error)", sourceLocation: location)
        let log = try await sandpiper("attach", "--no-input", sandbox, "1")
        #expect(log.status == workload.status, "\(sandbox): \(log.error)", sourceLocation: location)
        let steps = max(0, log.lines.count - 1)
        #expect(
            log.lines == (0..<steps).map { "step \($0 + 1)" } + ["done \(steps)"] && steps > 0,
            "\(sandbox): \(log.lines)", sourceLocation: location)
    }
}
