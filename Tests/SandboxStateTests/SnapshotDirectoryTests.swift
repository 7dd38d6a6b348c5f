import Glibc
import LinuxSystem
import Testing

@testable import SandboxState

/// The files of snapshots: who makes one, and what becomes of it.
@Suite struct SnapshotDirectoryTests {
    private static func record(_ id: SandboxID) -> SnapshotRecord {
        let sandbox = SandboxRecord(
            id: SandboxID(), image: "x", imageDigest: "x", limits: SandboxLimits(), kernel: "", initramfs: "",
            created: 1)
        return SnapshotRecord(id: "\(id)", name: nil, created: 1, sandbox: sandbox, hasMemory: false, pause: 0)
    }

    private static func withHome(_ body: (Home) throws -> Void) throws {
        let path = "/tmp/sandpiper-snapshots-\(getpid())-\(UInt32.random(in: .min ... .max))"
        defer { try? FileTree.removeTree(path) }
        try body(Home(path: path))
    }

    @Test("what a maker with a lock of its own makes stays as long as it lives, and goes then")
    func lock() throws {
        try Self.withHome { home in
            let snapshot = SnapshotDirectory(SandboxID(), in: home)
            var lock: FileLock? = try snapshot.begin()
            SnapshotDirectory.sweep(home)
            #expect(FileTree.exists(snapshot.work))
            withExtendedLifetime(lock) {}
            lock = nil
            SnapshotDirectory.sweep(home)
            #expect(!FileTree.exists(snapshot.work))
        }
    }

    @Test("a temporary snapshot goes with its maker, and is not begun for one that was killed")
    func temporary() throws {
        try Self.withHome { home in
            let sandbox = SandboxID()
            try FileTree.makeDirectory(home.run + "/\(sandbox)")
            let owner = try FileLock.wait(SandboxDirectory(sandbox, in: home).lock)
            var maker: TemporarySnapshot? = try TemporarySnapshot(in: home)
            let snapshot = try #require(maker?.directory)
            func names() throws -> [String] { try FileTree.names(in: home.snapshots).sorted() }
            // As long as it lives nothing goes, whatever has been made.
            SandboxDirectory.sweep(home)
            try snapshot.begin(sandbox, isTemporary: true)
            SandboxDirectory.sweep(home)
            #expect(try names() == ["tmp.\(snapshot.id)", "use.\(snapshot.id)"])
            try snapshot.publish(Self.record(snapshot.id), durable: false)
            SandboxDirectory.sweep(home)
            #expect(try names() == ["\(snapshot.id)", "use.\(snapshot.id)"].sorted())
            try maker?.remove()
            #expect(try names() == [])
            // Killed while it is made: it goes when it is there.
            maker = try TemporarySnapshot(in: home)
            let second = try #require(maker?.directory)
            try second.begin(sandbox, isTemporary: true)
            maker = nil
            SandboxDirectory.sweep(home)
            #expect(try names() == ["tmp.\(second.id)", "use.\(second.id)"])
            try second.publish(Self.record(second.id), durable: false)
            SandboxDirectory.sweep(home)
            #expect(try names() == [])
            // Killed before it is made: it is not, however late somebody comes to it.
            maker = try TemporarySnapshot(in: home)
            let third = try #require(maker?.directory)
            maker = nil
            SandboxDirectory.sweep(home)
            #expect(throws: StateError.self) { try third.begin(sandbox, isTemporary: true) }
            #expect(try names() == [])
            withExtendedLifetime(owner) {}
        }
    }

    @Test("a snapshot that lasts knows what its files were")
    func damage() throws {
        try Self.withHome { home in
            let snapshot = SnapshotDirectory(SandboxID(), in: home)
            let lock = try snapshot.begin()
            let disk = try Descriptor(opening: snapshot.work + "/upper.img", O_RDWR | O_CREAT)
            try disk.write([UInt8](repeating: 7, count: 5000))
            #expect(ftruncate(disk.rawValue, 1 << 40) == 0)
            try snapshot.publish(Self.record(snapshot.id), durable: true)
            snapshot.removeLock()
            withExtendedLifetime(lock) {}
            #expect(try snapshot.damage() == nil)
            for (offset, byte) in [(4999, 7), (1 << 39, 0)] as [(Int64, UInt8)] {
                try [byte ^ 1].withUnsafeBytes { try disk.write($0, at: offset) }
                #expect(try snapshot.damage()?.contains("upper.img") == true)
                try [byte].withUnsafeBytes { try disk.write($0, at: offset) }
                // A page of zeros is as good as a hole.
                #expect(try snapshot.damage() == nil)
            }
            #expect(ftruncate(disk.rawValue, 1 << 39) == 0)
            #expect(try snapshot.damage()?.contains("bytes instead of") == true)
            try FileTree.removeFile(snapshot.path + "/upper.img")
            #expect(try snapshot.damage() == "'upper.img' is missing")
        }
    }
}
