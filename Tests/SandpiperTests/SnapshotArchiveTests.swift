import Glibc
import Sandpiper
import Testing

@Suite("An archive of a snapshot", .needsMachines, .timeLimit(.minutes(5)))
struct SnapshotArchiveTests {
    @Test("goes out and comes in, and what is none is refused with the reason")
    func roundTrip() async throws {
        let host = try await TestHost.shared.host
        let base = getenv("TMPDIR").map { String(cString: $0) } ?? "/tmp"
        let path = "\(base)/sandpiper-archive-\(getpid())"
        defer { unlink(path) }
        let sandbox = try await Sandbox.create(image: "busybox", on: host)
        _ = try await sandbox.exec(["sh", "-c", "echo memory > /dev/shm/x; echo disk > /file"])
        let name = "archived-\(getpid())"
        let snapshot = try await sandbox.snapshot(named: name)
        try await snapshot.verify()
        try await snapshot.export(to: path)
        let taken = await #expect(throws: SandpiperError.self) { try await Snapshot.import(from: path, on: host) }
        #expect(taken.map { "\($0)".contains("in use") } == true)
        let imported = try await Snapshot.import(from: path, name: name + "-again", on: host)
        #expect(imported.id != snapshot.id && imported.name == name + "-again" && imported.hasMemory)
        try await imported.verify()
        try await snapshot.remove()
        let restored = try await imported.restore()
        #expect(try await restored.exec(["cat", "/dev/shm/x", "/file"]).standardOutput.text == "memory\ndisk\n")
        let refused = await #expect(throws: SandpiperError.self) {
            try await Snapshot.import(from: "/etc/passwd", on: host)
        }
        #expect(refused.map { "\($0)".contains("no archive") } == true)
        try await imported.remove()
        for other in [restored, sandbox] { try await other.remove() }
    }
}
