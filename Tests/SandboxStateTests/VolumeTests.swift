import Glibc
import LinuxSystem
import SandboxState
import Testing

@Suite("Volumes") final class VolumeTests {
    private let home = Home(
        path: (getenv("TMPDIR").map { String(cString: $0) } ?? "/tmp") + "/volumes-\(UInt64.random(in: .min ... .max))")

    deinit { try? FileTree.removeTree(home.path) }

    private func name(_ text: String) throws -> VolumeName { try #require(VolumeName(text)) }

    private func sandbox(_ name: String, _ mounts: [SandboxMount]) throws -> (SandboxDirectory, FileLock) {
        let id = SandboxID()
        var record = SandboxRecord(
            id: id, name: SandboxName(name), image: "busybox", imageDigest: "sha256:0", limits: SandboxLimits(),
            kernel: "/k", initramfs: "/i", created: 1)
        record.mounts = mounts
        let lock = try SandboxDirectory.create(record, in: home)
        return (SandboxDirectory(id, in: home), lock)
    }

    @Test("a volume is made once, has an empty directory, and is listed by name")
    func making() throws {
        let volume = try Volume.create(name("b"), size: 1 << 30, labels: ["k": "v"], in: home)
        try Volume.create(name("a"), in: home)
        #expect(throws: StateError.self) { try Volume.create(name("b"), in: home) }
        #expect(try Volume.all(in: home).map(\.name.description) == ["a", "b"])
        let record = try volume.record
        #expect(record.size == 1 << 30 && record.labels == ["k": "v"] && record.name == "b")
        #expect(try FileTree.names(in: volume.data) == [])
        #expect(try Descriptor(opening: volume.data).status().st_mode & 0o7777 == 0o755)
        for text in ["", ".", "..", ".x", "a/b", "a b", "-a", "ä", String(repeating: "a", count: 64)] {
            #expect(VolumeName(text) == nil)
        }
    }

    @Test("what a crash left of making or removing one is gone with the next")
    func leftovers() throws {
        try Volume.create(name("a"), in: home)
        for draft in [".new-1", ".old-2"] { try FileTree.makeDirectory("\(home.volumes)/\(draft)/data/deep") }
        #expect(try Volume.all(in: home).map(\.name.description) == ["a"])
        try Volume.create(name("b"), in: home)
        #expect(try FileTree.names(in: home.volumes) == ["a", "b"])
    }

    @Test("a sandbox makes the volumes that it lacks, and keeps them from being removed, running or not")
    func users() throws {
        let (directory, lock) = try sandbox(
            "box", [.volume(name("new"), at: "/v"), .volume(name("read"), at: "/r", readOnly: true)])
        let volume = Volume(try name("new"), in: home)
        #expect(volume.exists)
        #expect(try volume.users().map(\.name) == ["box"])
        #expect(try volume.users().map(\.readOnly) == [false])
        #expect(try Volume.users(in: home)["read"]?.map(\.readOnly) == [true])
        let error = #expect(throws: StateError.self) { try volume.remove() }
        #expect(error?.description.contains("belongs to the sandbox box") == true)
        withExtendedLifetime(lock) { directory.remove() }
        try volume.remove()
        #expect(!volume.exists)
        #expect(throws: StateError.self) { try volume.remove() }
        #expect(throws: StateError.self) { try volume.record }
    }

    @Test("readers share a volume, a writer has it alone, and a refusal names who has it")
    func locks() throws {
        let volume = try Volume.create(name("data"), in: home)
        let (one, oneLock) = try sandbox("one", [.volume(name("data"), at: "/v", readOnly: true)])
        var held: [FileLock]? = [
            try volume.hold(readOnly: true, for: one.id), try volume.hold(readOnly: true, for: SandboxID()),
        ]
        let refused = #expect(throws: StateError.self) { try volume.hold(readOnly: false, for: SandboxID()) }
        #expect(refused?.description.contains("the sandbox one") == true, "\(refused.debugDescription)")
        #expect(refused?.description.contains(":ro") == true)
        #expect(held?.count == 2)
        held = nil
        let writer = try volume.hold(readOnly: false, for: one.id)
        #expect(throws: StateError.self) { try volume.hold(readOnly: true, for: SandboxID()) }
        withExtendedLifetime((writer, oneLock)) {}
    }
}
