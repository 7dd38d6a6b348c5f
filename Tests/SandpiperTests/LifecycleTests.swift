import Glibc
import LinuxSystem
import Sandpiper
import Testing

@Suite("The life of a sandbox", .needsMachines, .timeLimit(.minutes(5)))
struct LifecycleTests {
    @Test("a sandbox is made, found by name, stopped, started with its files, and removed")
    func life() async throws {
        let host = try await TestHost.shared.host
        let name = "life-\(getpid())"
        let made = try await Sandbox.create(
            image: "busybox", options: .init(name: name, labels: ["of": "test"]), on: host)
        #expect(try await made.state.status == .running)
        _ = try await made.exec(["sh", "-c", "echo kept > /file"])

        let sandbox = try await Sandbox.find(name, on: host)
        #expect(sandbox.id == made.id && sandbox.labels == ["of": "test"])
        #expect(try await sandbox.name == name)
        #expect(try await Sandbox.all(on: host).contains { $0.id == made.id })
        #expect(try await sandbox.exec(["cat", "/file"]).standardOutput.text == "kept\n")
        #expect(try await sandbox.statistics().memoryTotal > 0)
        await #expect(throws: SandpiperError.self) {
            try await Sandbox.create(image: "busybox", options: .init(name: name), on: host)
        }
        await #expect(throws: SandpiperError.self) { try await sandbox.start() }

        async let ended = made.wait()
        try await sandbox.stop(grace: .seconds(1))
        #expect(try await ended.status == .stopped)
        let error = await #expect(throws: SandpiperError.self) { try await sandbox.exec(["true"]) }
        guard case .notRunning(_, .stopped, _) = error else {
            Issue.record("\(String(describing: error))")
            return
        }
        try await sandbox.stop()

        try await sandbox.start()
        #expect(try await made.exec(["cat", "/file"]).standardOutput.text == "kept\n")
        try await made.remove()
        #expect(try await TestHost.leftovers(of: made) == [])
        await #expect(throws: SandpiperError.self) { try await sandbox.exec(["true"]) }
        await #expect(throws: SandpiperError.self) { try await Sandbox.find(name, on: host) }
        try await sandbox.remove()
    }

    @Test("withSandbox leaves nothing when its body returns, throws or is cancelled")
    func cleansUp() async throws {
        let returned = try await TestHost.withSandbox { sandbox in
            _ = try await sandbox.process(["sleep", "1000"])
            return sandbox
        }
        #expect(try await TestHost.leftovers(of: returned) == [])

        struct Failure: Error {}
        nonisolated(unsafe) var thrown: Sandbox?
        await #expect(throws: Failure.self) {
            try await TestHost.withSandbox { sandbox in
                thrown = sandbox
                throw Failure()
            }
        }
        #expect(try await TestHost.leftovers(of: try #require(thrown)) == [])

        let (sandboxes, continuation) = AsyncStream.makeStream(of: Sandbox.self)
        let task = Task {
            try await TestHost.withSandbox { sandbox in
                continuation.yield(sandbox)
                _ = try await sandbox.exec(["sleep", "1000"])
            }
        }
        let cancelled = try #require(await sandboxes.first { _ in true })
        task.cancel()
        await #expect(throws: CancellationError.self) { try await task.value }
        #expect(try await TestHost.leftovers(of: cancelled) == [])
    }

    @Test("creating that is cancelled leaves nothing")
    func cancelledCreation() async throws {
        let host = try await TestHost.shared.host
        let name = "cancelled-\(getpid())"
        let task = Task { try await Sandbox.create(image: "busybox", options: .init(name: name), on: host) }
        task.cancel()
        await #expect(throws: CancellationError.self) { try await task.value }
        await #expect(throws: SandpiperError.self) { try await Sandbox.find(name, on: host) }
    }

    @Test("what runs when the sandbox ends is told why")
    func endOfSandbox() async throws {
        let host = try await TestHost.shared.host
        let sandbox = try await Sandbox.create(image: "busybox", on: host)
        let process = try await sandbox.process(["sleep", "1000"])
        try await sandbox.kill()
        let error = await #expect(throws: SandpiperError.self) { try await process.exitStatus }
        guard case .ended(sandbox.id, "it was killed") = error else {
            Issue.record("\(String(describing: error))")
            return
        }
        try await sandbox.remove()
        #expect(try await TestHost.leftovers(of: sandbox) == [])
    }

    @Test("a sandbox that is idle stops although its object is still there")
    func idle() async throws {
        let host = try await TestHost.shared.host
        let sandbox = try await Sandbox.create(
            image: "busybox", options: .init(idleTimeout: .milliseconds(300)), on: host)
        _ = try await sandbox.exec(["sleep", "1"])
        #expect(try await sandbox.wait().status == .stopped)
        try await sandbox.remove()
    }

    @Test("jobs go on without their client, and their output is kept")
    func jobs() async throws {
        let host = try await TestHost.shared.host
        let sandbox = try await Sandbox.create(image: "busybox", on: host)
        let job = try await sandbox.startJob(["sh", "-c", "echo out; echo err >&2; touch /written; sleep 1000"])
        let other = try await Sandbox.find(sandbox.id, on: host)
        #expect(try await other.jobs().map(\.number) == [job.number])
        _ = try await other.exec(["sh", "-c", "until test -e /written; do :; done"])
        try await other.signal(SIGKILL, job: job.number)
        // Behind the signal on the same connection: the job is gone when this process has seen that.
        _ = try await other.exec(["sh", "-c", "while kill -0 \(job.pid ?? 1) 2>/dev/null; do :; done"])
        try await other.stop()
        #expect(try await other.job(job.number)?.exitCode == 137)
        let log = try await other.log(ofJob: job.number)
        #expect(log.filter { !$0.isError }.flatMap(\.bytes) == Array("out\n".utf8))
        #expect(log.filter(\.isError).flatMap(\.bytes) == Array("err\n".utf8))
        try await other.remove()
    }

    @Test("a template is made once, listed, verified and removed; what is no machine is refused")
    func templates() async throws {
        let host = try await TestHost.shared.host
        let template = try await Template.build(memory: 200 << 20, on: host)
        #expect(template.memory == 256 << 20 && template.cpus == 1)
        #expect(try await Template.build(memory: 256 << 20, on: host) == template)
        #expect(try await Template.all(on: host).contains(template))
        #expect(try await template.verify() == nil)
        try await template.remove()
        #expect(try await !Template.all(on: host).contains(template))
        for action in [{ try await template.remove() }, { _ = try await template.verify() }] {
            await #expect(throws: SandpiperError.self) { try await action() }
        }
        await #expect(throws: SandpiperError.self) { try await Template.build(cpus: 65, on: host) }
        await #expect(throws: SandpiperError.self) { try await Template.build(memory: 1, on: host) }
    }

    @Test("an image is listed and found; a missing one is an error of its own")
    func images() async throws {
        let host = try await TestHost.shared.host
        let image = try await Image.find("busybox", on: host)
        #expect(try await Image.all(on: host).contains(image))
        let error = await #expect(throws: SandpiperError.self) {
            try await Sandbox.create(image: "missing", options: .init(pull: .never), on: host)
        }
        guard case .imageNotFound("missing") = error else {
            Issue.record("\(String(describing: error))")
            return
        }
        let failed = await #expect(throws: SandpiperError.self) {
            try await Sandbox.create(image: "127.0.0.1:1/missing", on: host)
        }
        guard case .pullFailed("127.0.0.1:1/missing", let reason) = failed, !reason.isEmpty else {
            Issue.record("\(String(describing: failed))")
            return
        }
    }
}
