import Glibc
import LinuxSystem
import SandboxState
import Testing

@Suite struct Values {
    @Test("a new id is 20 characters of a-z and 0-9, and reads back")
    func identifiers() {
        let id = SandboxID()
        #expect(id.description.utf8.count == 20)
        #expect(SandboxID(id.description) == id)
        #expect(SandboxID() != id)
    }

    @Test(
        "what is not an id is refused",
        arguments: ["", "abc", String(repeating: "a", count: 21), "ABCDEFGHIJKLMNOPQRST", "../aaaaaaaaaaaaaaaaa"])
    func noIdentifiers(_ text: String) { #expect(SandboxID(text) == nil) }

    @Test("names follow Docker's grammar", arguments: ["a", "web-1", "A.b_c", "0"])
    func names(_ text: String) { #expect(SandboxName(text)?.description == text) }

    @Test(
        "what is not a name is refused",
        arguments: ["", "-a", ".a", "a/b", "a b", "ü", String(repeating: "a", count: 64), "abcdefghij0123456789"])
    func noNames(_ text: String) { #expect(SandboxName(text) == nil) }

    @Test(
        "sizes take units of 1024",
        arguments: [
            ("0", 0), ("1", 1), ("1k", 1024), ("512m", 512 << 20), ("2G", 2 << 30), ("1.5g", 3 << 29),
            ("1MiB", 1 << 20), ("3kb", 3072),
            ("0.5k", 512),
        ] as [(String, Int64)])
    func sizes(_ text: String, _ bytes: Int64) { #expect(ByteSize(text)?.bytes == bytes) }

    @Test(
        "what is not a size is refused",
        arguments: [
            "", "m", "-1", "1x", "1.2.3m", ".5g", "1.", "1 g", "9999999999999999999", "9000000000t", "1e3", "٣",
        ])
    func noSizes(_ text: String) { #expect(ByteSize(text) == nil) }

    @Test(
        "spans take units, and seconds without one",
        arguments: [
            ("1", 1000), ("1.5s", 1500), ("250ms", 250), ("2m", 120_000), ("1h30m", 5_400_000), ("1d", 86_400_000),
        ]
            as [(String, Int64)])
    func spans(_ text: String, _ milliseconds: Int64) { #expect(TimeSpan(text)?.milliseconds == milliseconds) }

    @Test(
        "what is not a span is refused",
        arguments: ["", "0", "s", "-1s", "1y", "1m30", "99999999999d", "1..5s", "0.0001ms"])
    func noSpans(_ text: String) { #expect(TimeSpan(text) == nil) }
}

@Suite final class Directories {
    private let home = Home(path: "/tmp/sandpiper-state-\(getpid())-\(UInt32.random(in: .min ... .max))")

    deinit { try? FileTree.removeTree(home.path) }

    private func record(_ name: String? = nil) -> SandboxRecord {
        SandboxRecord(
            id: SandboxID(), name: name.flatMap { SandboxName($0) }, image: "busybox", imageDigest: "sha256:0",
            limits: SandboxLimits(), kernel: "/k", initramfs: "/i", created: 0)
    }

    /// What the death of the owner does. Closing the descriptor would not do: a child that another test of this process is
    /// just starting holds a copy of it for a moment.
    private func abandon(_ lock: FileLock) { #expect(flock(lock.descriptor.rawValue, LOCK_UN) == 0) }

    @Test("a sandbox is found by name, by id and by the start of its id")
    func find() throws {
        let record = record("web")
        let lock = try SandboxDirectory.create(record, in: home)
        for text in ["web", record.id, String(record.id.prefix(8))] {
            #expect(try SandboxDirectory.find(text, in: home).id.description == record.id)
        }
        #expect(throws: StateError.self) { try SandboxDirectory.find("other", in: home) }
        withExtendedLifetime(lock) {}
    }

    @Test("a name is free again only when its owner is gone")
    func nameInUse() throws {
        var lock = try SandboxDirectory.create(record("web"), in: home)
        #expect(throws: StateError.self) { try SandboxDirectory.create(self.record("web"), in: self.home) }
        #expect(try SandboxDirectory.all(in: home).count == 1)
        abandon(lock)
        SandboxDirectory.sweep(home)
        lock = try SandboxDirectory.create(record("web"), in: home)
        withExtendedLifetime(lock) {}
    }

    @Test("a sweep removes what a killed owner left and nothing that is owned")
    func sweep() throws {
        let alive = record()
        let dead = record()
        let lock = try SandboxDirectory.create(alive, in: home)
        abandon(try SandboxDirectory.create(dead, in: home))
        SandboxDirectory.sweep(home)
        #expect(try SandboxDirectory.all(in: home).map(\.description) == [alive.id])
        #expect(try FileTree.names(in: home.run) == [alive.id])
        withExtendedLifetime(lock) {}
    }

    @Test("twenty creations at once with one name make one sandbox")
    func race() async throws {
        let home = home
        let made = await withTaskGroup(of: FileLock?.self) { group in
            for _ in 0..<20 {
                let record = record("web")
                group.addTask { try? SandboxDirectory.create(record, in: home) }
            }
            return await group.reduce(into: []) { if let lock = $1 { $0.append(lock) } }
        }
        #expect(made.count == 1)
        #expect(try SandboxDirectory.all(in: home).count == 1)
    }
}
