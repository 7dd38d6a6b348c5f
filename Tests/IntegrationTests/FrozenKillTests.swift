import Glibc
import LinuxSystem
import SandboxState
import Testing

/// What becomes of sandboxes and snapshots when a process is killed while they are frozen, restored or forked: all is as it
/// was or as it was to be, and nothing is left.
@Suite(.needsMachines) struct FrozenKillTests {
    enum Operation: CaseIterable {
        case pause, resume, snapshot, restore, fork
    }

    enum Victim: CaseIterable {
        case client, supervisor, engine
    }

    /// Every operation with every victim, once or several times.
    private static let rounds = getenv("SANDPIPER_LONG_TESTS") == nil ? 15 : 210

    @Test("whatever is killed at whatever moment, a sandbox is as it was or as it was to be, and nothing is left")
    func killed() async throws {
        try await TestHome.with { home in
            let sandbox = try await home.create("box")
            #expect(try await home.exec("box", "echo base > /file; echo base > /dev/shm/x; sync").status == 0)
            #expect(try await home.sandpiper("snapshot", "create", "box", "base").status == 0)
            let base = try await home.sandpiper("snapshot", "ls", "-q").lines
            let files = try FileTree.names(in: sandbox.path)
            for round in 0..<Self.rounds {
                let operation = Operation.allCases[round % 5]
                let victim = Victim.allCases[round / 5 % 3]
                let attempt = KilledAttempt(home: home, sandbox: sandbox, word: "\(round)", base: base)
                let what = try await attempt.run(operation, victim)
                try await attempt.expectWhole("\(round): \(operation), \(what)")
                let left = try FileTree.names(in: sandbox.path)
                #expect(Set(left).subtracting(files).subtracting(["origin"]) == [], "\(round): \(operation), \(what)")
            }
            #expect(try await home.sandpiper("snapshot", "rm", "base").status == 0)
            try await home.remove("box")
            #expect(try FileTree.names(in: home.path + "/snapshots") == [])
        }
    }

    @Test("a snapshot whose removal is killed is there or gone")
    func removal() async throws {
        try await TestHome.with { home in
            _ = try await home.create("box")
            for milliseconds in [2, 4, 6, 8] {
                #expect(try await home.sandpiper("snapshot", "create", "box", "written").status == 0)
                let delay = Double(milliseconds) / 1000
                _ = try await home.host("timeout -s KILL \(delay) sandpiper snapshot rm written >out 2>&1; true")
                let listed = try await home.sandpiper("snapshot", "ls", "-q").lines
                #expect(try FileTree.names(in: home.path + "/snapshots").count == listed.count)
                for snapshot in listed { #expect(try await home.sandpiper("snapshot", "rm", snapshot).status == 0) }
            }
            try await home.remove("box")
        }
    }
}

/// One operation of which somebody is killed, and a look at what is there then.
private struct KilledAttempt {
    let home: TestHome
    let sandbox: SandboxDirectory
    /// What memory and disk hold before.
    let word: String
    /// The one snapshot that is there before.
    let base: [String]

    /// Begins an operation, and kills somebody at a random moment of it.
    /// - Returns: whom, for whoever looks for a fault.
    func run(_ operation: FrozenKillTests.Operation, _ victim: FrozenKillTests.Victim) async throws -> String {
        let written = try await home.exec("box", "echo \(word) > /dev/shm/x; echo \(word) > /file; sync")
        try #require(written.status == 0, "\(word): \(written.error)")
        let others = Set(supervisors.map(\.pid))
        if operation == .resume { #expect(try await home.sandpiper("pause", "box").status == 0) }
        let arguments =
            switch operation {
            case .pause: ["pause", "box"]
            case .resume: ["resume", "box"]
            case .snapshot: ["snapshot", "create", "box", "new"]
            case .restore: ["restore", "--name", "new", "base"]
            case .fork: ["fork", "-n", "2", "--name", "new", "box"]
            }
        let delay = Duration.milliseconds(Int.random(in: 0...(operation == .fork ? 250 : 150)))
        var killed = "nobody"
        _ = try await home.command(arguments).run { command in
            try await Task.sleep(for: delay)
            switch victim {
            case .client:
                command.signal(SIGKILL)
                killed = "the client"
            case .supervisor, .engine:
                // A sandbox that has nothing to do with it is not touched.
                let involved = supervisors.filter { operation != .restore || !others.contains($0.pid) }
                guard let supervisor = involved.randomElement() else { break }
                let process = victim == .supervisor ? supervisor : engine(of: supervisor)
                try await process?.kill()
                killed = process.map { "\($0)" } ?? "nobody"
            }
        }
        return "\(killed) after \(delay)"
    }

    private var supervisors: [HostProcess] { home.processes(named: "sandpiper-super") }

    private func engine(of supervisor: HostProcess) -> HostProcess? {
        home.processes(named: "sandpiper-vm").first { engine in
            (try? engine.status("PPid")) == "\(supervisor.pid)"
        }
    }

    /// Expects that all is whole, and brings about what was there before.
    func expectWhole(_ what: String) async throws {
        try await expectSandbox(what)
        try await expectOthers(what)
        // A snapshot is completed without its command, after the sandbox goes on. What was written down is whole too:
        // another begins from it.
        let completed = try await home.host(
            "for n in {1..600}; do compgen -G \"$SANDPIPER_HOME/snapshots/tmp.*\" >/dev/null || exit 0; sleep 0.05; done; exit 1"
        )
        #expect(completed.status == 0, "\(what)")
        let snapshots = try await home.sandpiper("snapshot", "ls", "-q").lines
        for snapshot in snapshots where !base.contains(snapshot) {
            let restored = try await home.sandpiper("restore", "--name", "restored", snapshot)
            #expect(restored.status == 0, "\(what): \(restored.error)")
            // Of a sandbox that was turned off before the command reached it there is a disk.
            if try SnapshotDirectory.find(snapshot, in: Home(path: home.path)).1.hasMemory {
                try await expectContent("restored", word, what)
            } else {
                #expect(try await home.exec("restored", "cat /file").output == "\(word)\n", "\(what)")
            }
            #expect(try await home.sandpiper("rm", "-f", "restored").status == 0)
            for process in try otherProcesses() { try await process.waitForEnd() }
            #expect(try await home.sandpiper("snapshot", "rm", snapshot).status == 0)
        }
        #expect(snapshots.count <= 2 && Set(snapshots).isSuperset(of: base), "\(what): \(snapshots)")
        let names = try FileTree.names(in: home.path + "/snapshots")
        #expect(names == base, "\(what): \(names)")
        for folder in ["run", "sandboxes"] {
            #expect(try FileTree.names(in: "\(home.path)/\(folder)") == ["\(sandbox.id)"], "\(what): \(folder)")
        }
        let mounts = String(decoding: try FileTree.read("/proc/self/mountinfo", limit: 1 << 20), as: UTF8.self)
        #expect(!mounts.contains(home.path), "\(what)")
        #expect(try otherProcesses().map(\.description) == [], "\(what)")
    }

    /// The processes that are not the sandbox's.
    private func otherProcesses() throws -> [HostProcess] {
        let own = [try home.supervisor("box").pid, try home.engine("box").pid]
        return home.processes().filter { !own.contains($0.pid) }
    }

    /// Expects the sandbox with its memory, or, when it was turned off with a process of it, with its disk; lets it run.
    private func expectSandbox(_ what: String) async throws {
        try await sandbox.wait { life in
            switch life.status {
            case .running: true
            case .paused, .crashed, .stopped: !sandbox.isOwned
            default: false
            }
        }
        // A pause goes on without its command: whoever comes meanwhile waits, and is told when it is frozen.
        var found = try await content("box")
        for _ in 0..<4 where found.status != 0 {
            try await sandbox.wait { life in life.status == .running || !sandbox.isOwned }
            switch sandbox.currentLife().status {
            case .paused:
                let resumed = try await home.sandpiper("resume", "box")
                #expect(resumed.status == 0, "\(what): \(resumed.error)")
            case .crashed:
                let started = try await home.sandpiper("start", "box")
                #expect(started.status == 0, "\(what): \(started.error)")
                // Memory goes with a machine that is turned off.
                #expect(try await home.exec("box", "cp /file /dev/shm/x").status == 0, "\(what)")
            default: break
            }
            found = try await content("box")
        }
        try #require(found.output == "\(word)\n\(word)\n", "\(what): \(found) \(sandbox.currentLife())")
    }

    /// Expects that each new sandbox is whole or not there, and removes it.
    private func expectOthers(_ what: String) async throws {
        let listed = try await home.sandpiper("ls", "-aq").lines
        for other in listed where !sandbox.id.description.hasPrefix(other) {
            let directory = try home.directory(other)
            try await directory.wait { $0.status == .running || !directory.isOwned }
            let record = try? RecordFile.read(SandboxRecord.self, from: directory.record)
            let expected = record?.name == "new" ? "base" : word
            switch directory.currentLife().status {
            case .running: try await expectContent(other, expected, what)
            case .crashed:
                // It ran, and its supervisor or engine was killed then.
                let started = try await home.sandpiper("start", other)
                #expect(started.status == 0, "\(what): \(started.error)")
                #expect(try await home.exec(other, "cat /file").output == "\(expected)\n", "\(what)")
            default: Issue.record("\(what): \(other) is \(directory.currentLife())")
            }
            #expect(try await home.sandpiper("rm", "-f", other).status == 0, "\(what)")
        }
        for process in try otherProcesses() { try await process.waitForEnd() }
    }

    /// What is in a sandbox; whoever asks one that is just being paused would wait until it is resumed.
    private func content(_ name: String) async throws -> Outcome {
        try await home.host("timeout 10 sandpiper exec \(name) -- cat /file /dev/shm/x")
    }

    private func expectContent(_ name: String, _ expected: String, _ what: String) async throws {
        let found = try await content(name)
        #expect(found.output == "\(expected)\n\(expected)\n", "\(what): \(name): \(found)")
    }
}
