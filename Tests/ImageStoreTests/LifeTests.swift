import Foundation
import ImageStore
import LinuxSystem
import OCI
import Testing

@Suite("Publishing and removing images")
struct LifeTests {
    let fixture: StoreFixture
    var store: ImageStore { fixture.store }

    init() throws { fixture = try StoreFixture() }

    @Test("of several references one goes alone; the image goes with the last")
    func countsReferences() throws {
        let image = try fixture.publish("aaaa", layers: ["a1"], names: ["one", "two"])
        #expect(try store.remove("two") == [.untagged(Reference("two"))])
        #expect(try store.resolve("one").references.count == 1)
        #expect(try store.remove("one") == [.untagged(Reference("one")), .deleted(image.record.digest)])
        #expect(try fixture.files().isEmpty)
    }

    @Test("layers that another image needs stay, the others go")
    func keepsSharedLayers() throws {
        try fixture.publish("aaaa", layers: ["a1", "b1"], names: ["first"])
        let before = try fixture.files()
        try fixture.publish("bbbb", layers: ["a1", "c1"], names: ["second"])
        #expect(try fixture.files().filter { $0.hasPrefix("layers/") && $0.hasSuffix("/data") }.count == 3)
        _ = try store.remove("second")
        #expect(try fixture.files() == before)
    }

    @Test("a disk that two images share stays until the second goes")
    func keepsSharedDisks() throws {
        try fixture.publish("aaaa", layers: ["a1"], names: ["first"])
        try fixture.publish("bbbb", layers: ["a1"], names: ["second"])
        _ = try store.remove("first")
        #expect(try store.resolve("second").openDisk().count == 2)
        _ = try store.remove("second")
        #expect(try fixture.files().isEmpty)
    }

    @Test("an image named by its digest goes with its one reference; with several only by force")
    func removesByDigest() throws {
        let one = try fixture.publish("aaaa", layers: ["a1"], names: ["one"])
        #expect(try store.remove("aaaa") == [.untagged(Reference("one")), .deleted(one.record.digest)])
        try fixture.publish("bbbb", layers: ["a1"], names: ["one", "two"])
        let error = #expect(throws: ImageStoreError.self) { try store.remove("bbbb") }
        #expect(error?.description.contains("one:latest, two:latest") == true)
        #expect(try store.resolve("two").references.count == 2)
        #expect(try store.remove("bbbb", force: true).count == 3)
        #expect(try fixture.files().isEmpty)
    }

    @Test("an open disk is readable after its image is gone: metadata first, then the layers, empty ones left out")
    func keepsOpenDisks() throws {
        let workspace = try store.makeWorkspace()
        try fixture.addLayer("a1", data: "lower", to: workspace)
        try fixture.addLayer("b1", data: "", to: workspace)
        try fixture.addLayer("c1", data: "upper", to: workspace)
        let image = try fixture.image("aaaa", layers: ["a1", "b1", "c1"], names: ["app"])
        try workspace.makeMetadata(image.record.chain).write(Array("meta".utf8))
        #expect(try store.publish([image], from: workspace).isEmpty)

        let disk = try store.resolve("app").openDisk()
        _ = try store.remove("app")
        #expect(try disk.map { try $0.file.text() } == ["meta", "lower", "upper"])
        #expect(disk.map(\.length) == [4, 5, 5])
    }

    @Test("when a layer is missing, it is told and nothing is published, not even the whole image beside it")
    func publishesAllOrNothing() throws {
        let workspace = try store.makeWorkspace()
        try fixture.addLayer("a1", data: "x", to: workspace)
        let whole = try fixture.image("aaaa", layers: ["a1"], names: ["whole"])
        let broken = try fixture.image("bbbb", layers: ["a1", "b1"], names: ["broken"])
        for image in [whole, broken] { try workspace.makeMetadata(image.record.chain).write([1]) }
        #expect(try store.publish([whole, broken], from: workspace) == [StoreFixture.digest("b1")])
        #expect(try store.images().isEmpty)
        // What was made is still there for the next attempt.
        try fixture.addLayer("b1", data: "y", to: workspace)
        #expect(try store.publish([whole, broken], from: workspace).isEmpty)
        #expect(try store.images().count == 2)
    }

    @Test("a layer that is there already is not replaced")
    func keepsLayers() throws {
        try fixture.publish("aaaa", layers: ["a1"], names: ["first"])
        let workspace = try store.makeWorkspace()
        try fixture.addLayer("a1", data: "other", to: workspace)
        let image = try fixture.image("bbbb", layers: ["a1"], names: ["second"])
        #expect(try store.publish([image], from: workspace).isEmpty)
        #expect(try store.resolve("second").openDisk().last?.file.text() == "a1")
    }

    @Test("a workspace goes with its last reference")
    func dropsWorkspaces() throws {
        var workspace: Workspace? = try store.makeWorkspace()
        let path = try #require(workspace?.path)
        try fixture.addLayer("a1", data: "x", to: #require(workspace))
        #expect(FileManager.default.fileExists(atPath: path))
        workspace = nil
        #expect(!FileManager.default.fileExists(atPath: path))
    }

    @Test("a sweep removes the workspaces of the dead, with what they had begun to publish, and none of the living")
    func sweeps() throws {
        try fixture.publish("aaaa", layers: ["a1"], names: ["app"])
        let before = try fixture.files()
        let root = fixture.home + "/store"
        // As a process leaves it that was killed while it published: a workspace nobody locks, parts without a record,
        // a reference without an image.
        let manager = FileManager.default
        try manager.createDirectory(atPath: root + "/tmp/dead/layers/x", withIntermediateDirectories: true)
        let orphan = try StoreFixture.digest("0f").hex
        for directory in ["layers", "disks"] {
            try manager.createDirectory(atPath: "\(root)/\(directory)/\(orphan)", withIntermediateDirectories: true)
        }
        let files = [
            ("tmp/dead/lock", ""), ("tmp/dead/layers/x/data", "x"), ("layers/\(orphan)/data", "x"),
            ("disks/\(orphan)/metadata.erofs", "x"), ("blobs/sha256/\(orphan)", "x"),
            ("references/docker.io%2Flibrary%2Fgone:latest", "sha256:\(orphan)\n"),
        ]
        for (name, content) in files { try Data(content.utf8).write(to: URL(fileURLWithPath: "\(root)/\(name)")) }

        let living = try store.makeWorkspace()
        try fixture.addLayer("d1", data: "x", to: living)
        try store.sweep()
        #expect(manager.fileExists(atPath: living.path + "/lock"))
        living.discard()
        #expect(try fixture.files() == before)
        #expect(try manager.contentsOfDirectory(atPath: root + "/tmp").isEmpty)
    }

    @Test("threads that publish, open and remove the same images at once never see half of one")
    func survivesConcurrency() async throws {
        let fixture = fixture
        let store = store
        try await withThrowingTaskGroup(of: Int.self) { group in
            for worker in 0..<4 {
                let image = try fixture.image(
                    "aaa\(worker % 2)", layers: ["a1", "b\(worker % 2)"], names: ["app\(worker % 2)"])
                let layers = ["a1", "b\(worker % 2)"]
                group.addTask {
                    var opened = 0
                    for _ in 0..<40 {
                        let workspace = try store.makeWorkspace()
                        for layer in layers {
                            let diffID = try StoreFixture.digest(layer)
                            try workspace.makeLayerData(diffID).write(Array(layer.utf8))
                            try workspace.writeLayerIndex([1], of: diffID)
                        }
                        try workspace.makeMetadata(image.record.chain).write(Array("meta".utf8))
                        #expect(try store.publish([image], from: workspace).isEmpty)
                        workspace.discard()
                        do {
                            let disk = try store.resolve("app\(worker % 2)").openDisk()
                            #expect(try disk.map { try $0.file.text() } == ["meta"] + layers)
                            opened += 1
                            _ = try store.remove("app\(worker % 2)")
                        } catch ImageStoreError.notFound {
                            // Another worker was faster.
                        }
                    }
                    return opened
                }
            }
            #expect(try await group.reduce(0, +) > 0)
        }
        for image in try store.images() { _ = try store.remove(image.digest.description, force: true) }
        #expect(try fixture.files().isEmpty)
    }
}
