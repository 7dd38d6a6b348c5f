import OCI
import SandboxState
import Testing

@testable import FrozenMachine
@testable import SnapshotArchive

/// What an archive says of a snapshot, of which nothing is believed.
@Suite struct ArchiveManifestTests {
    private static let mebibyte: Int64 = 1 << 20

    private static func manifest(withMachine: Bool = true) throws -> ArchiveManifest {
        var sandbox = SandboxRecord(
            id: SandboxID(), name: SandboxName("box"), image: "busybox",
            imageDigest: "sha256:" + String(repeating: "0", count: 64), limits: SandboxLimits(), kernel: "",
            initramfs: "", created: 1, defaults: ProcessDefaults(environment: ["A=b", "B="]),
            main: JobSpecification(arguments: ["sleep", "1"]))
        sandbox.mounts = [try .memory(at: "/m", size: 8192)]
        let files = [
            ArchiveFile(name: "session", size: 20, most: 20), ArchiveFile(name: "state", size: 100, most: 100),
            ArchiveFile(name: "memory", size: 512 * mebibyte, most: mebibyte),
            ArchiveFile(name: "disk", size: 8 << 40, most: mebibyte),
            ArchiveFile(name: "jobs/1/job.json", size: 20, most: 20), ArchiveFile(name: "jobs/1/log", size: 8, most: 8),
            ArchiveFile(name: "jobs/12/job.json", size: 20, most: 20),
        ]
        return ArchiveManifest(
            snapshot: SnapshotRecord(
                id: SandboxID().description, name: "first", created: 1, sandbox: sandbox, hasMemory: withMachine,
                pause: 1),
            imageNames: ["busybox"], imageDisk: try Digest("sha256:" + String(repeating: "1", count: 64)),
            machine: withMachine
                ? PortableMachine(
                    cpus: 1, memory: 512 * mebibyte, diskIsFresh: true, created: 1, layout: 3, accelerator: "emulated",
                    processor: "max", engineChecksum: .max, counterKilohertz: 1) : nil,
            files: withMachine ? files : [files[3]])
    }

    @Test("a sound manifest is taken as it is")
    func sound() throws {
        for withMachine in [true, false] {
            let manifest = try Self.manifest(withMachine: withMachine)
            #expect(manifest.problem == nil, "\(manifest.problem ?? "")")
            #expect(try ArchiveManifest(decoding: BoundedJSON.encode(manifest)) == manifest)
        }
    }

    private static let changes: [(String, @Sendable (inout ArchiveManifest) throws -> Void)] = [
        ("id", { $0.snapshot.id = "../x" }), ("name", { $0.snapshot.name = "a/b" }),
        ("created", { $0.snapshot.created = .max }), ("memory missing", { $0.machine = nil }),
        ("processors", { $0.machine?.cpus = 65 }), ("memory", { $0.machine?.memory = 3 << 20 }),
        ("more memory than the file", { $0.machine?.memory *= 2 }),
        ("sandbox's id", { $0.snapshot.sandbox.id = "" }), ("sandbox's name", { $0.snapshot.sandbox.name = "" }),
        ("digest", { $0.snapshot.sandbox.imageDigest = "sha256:0" }),
        ("label", { $0.snapshot.sandbox.labels["a\0"] = "" }),
        ("disk", { $0.snapshot.sandbox.limits.disk = .max }),
        ("limit", { $0.snapshot.sandbox.limits.idleTimeout = -1 }),
        ("variable", { $0.snapshot.sandbox.defaults.environment = ["none"] }),
        ("directory", { $0.snapshot.sandbox.defaults.workingDirectory = "x" }),
        ("no program", { $0.snapshot.sandbox.main?.arguments = [] }),
        ("restart", { $0.snapshot.sandbox.restart = .onFailure(most: -1) }),
        ("scratch", { $0.snapshot.sandbox.scratch = ["/a/../b"] }),
        ("host", { $0.snapshot.sandbox.mounts = [try .host("/tmp", at: "/x")] }),
        ("volume", { $0.snapshot.sandbox.mounts = [try .volume(try #require(VolumeName("v")), at: "/x")] }),
        ("two mounts", { $0.snapshot.sandbox.mounts += $0.snapshot.sandbox.mounts }),
        ("file missing", { $0.files.removeFirst() }), ("order", { $0.files.swapAt(1, 2) }),
        ("twice", { $0.files.append($0.files[6]) }), ("backwards", { $0.files.swapAt(4, 5) }),
        ("path", { $0.files[4].name = "jobs/../x" }), ("number", { $0.files[4].name = "jobs/01/log" }),
        ("unknown", { $0.files[4].name = "jobs/1/other" }), ("state's size", { $0.files[1].size = 65 << 20 }),
        ("most", { $0.files[3].most = 1 << 40 }), ("more than there is", { $0.files[0].most = 21 }),
        ("negative", { $0.files[0].most = -1 }), ("log's size", { $0.files[5].size = 1 << 30 }),
        ("names", { $0.imageNames = Array(repeating: "x", count: 101) }),
    ]

    @Test("a manifest with one thing wrong is refused with a reason", arguments: 0..<changes.count)
    func refused(index: Int) throws {
        let (what, change) = Self.changes[index]
        var manifest = try Self.manifest()
        try change(&manifest)
        #expect(manifest.problem?.isEmpty == false, "\(what)")
    }

    @Test("what is no manifest is refused in one line", arguments: ["", "{}", "[", #"{"snapshot":1}"#])
    func foreign(text: String) {
        #expect(throws: SnapshotArchiveError.self) { try ArchiveManifest(decoding: Array(text.utf8)) }
    }
}
