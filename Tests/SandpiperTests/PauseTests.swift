import Glibc
import Sandpiper
import Testing

@Suite("A sandbox that is frozen", .needsMachines, .timeLimit(.minutes(5)))
struct PauseTests {
    @Test("goes on with its processes, those of this program too")
    func goesOn() async throws {
        let host = try await TestHost.shared.host
        let sandbox = try await Sandbox.create(image: "busybox", on: host)
        let process = try await sandbox.process(["sh", "-c", "echo a; read x; echo b; exit 3"])
        try await sandbox.pause()
        #expect(try await sandbox.state.status == .paused)
        try await sandbox.resume()
        #expect(try await sandbox.state.status == .running)
        await #expect(throws: SandpiperError.self) { try await sandbox.resume() }
        #expect(try await process.exitStatus == .exited(3))

        let background = try await sandbox.exec(["sh", "-c", "echo kept > /dev/shm/x"])
        #expect(background.exitStatus == .exited(0))
        try await sandbox.pause(keepsMemory: true)
        #expect(try await sandbox.state.status == .paused)
        try await sandbox.resume()
        // Nobody waits for a process now: the supervisor ends too.
        try await sandbox.pause()
        let error = await #expect(throws: SandpiperError.self) { try await sandbox.exec(["true"]) }
        guard case .notRunning(_, .paused, _) = error else {
            Issue.record("\(String(describing: error))")
            return
        }
        try await sandbox.resume()
        #expect(try await sandbox.exec(["cat", "/dev/shm/x"]).standardOutput.text == "kept\n")
        try await sandbox.pause()
        try await sandbox.stop()
        #expect(try await sandbox.state.status == .stopped)
        try await sandbox.remove()
        #expect(try await TestHost.leftovers(of: sandbox) == [])
    }

    @Test("is written down, and others begin from there")
    func snapshots() async throws {
        let host = try await TestHost.shared.host
        let sandbox = try await Sandbox.create(image: "busybox", on: host)
        _ = try await sandbox.exec(["sh", "-c", "echo memory > /dev/shm/x; echo disk > /file"])
        let name = "snapshot-\(getpid())"
        let snapshot = try await sandbox.snapshot(named: name)
        #expect(snapshot.hasMemory && snapshot.pause > .zero)
        #expect(try await Snapshot.all(on: host).contains { $0.id == snapshot.id })
        await #expect(throws: SandpiperError.self) { try await sandbox.snapshot(named: name) }
        let restored = try await Snapshot.find(name, on: host).restore()
        let forks = try await sandbox.fork(count: 2)
        let all = [restored] + forks
        #expect(Set(all.map(\.id)).count == 3)
        for other in all {
            #expect(try await other.exec(["cat", "/dev/shm/x", "/file"]).standardOutput.text == "memory\ndisk\n")
        }
        try await snapshot.remove()
        await #expect(throws: SandpiperError.self) { try await Snapshot.find(name, on: host) }
        for other in all + [sandbox] { try await other.remove() }
        for other in all { #expect(try await TestHost.leftovers(of: other) == []) }
    }
}
