import Foundation
import ImageImport
import OCI
import Testing

private let index = "application/vnd.oci.image.index.v1+json"

@Suite("OCI layouts")
struct LayoutTests {
    let home: Home
    let layout: Layout
    let tar: [UInt8]

    init() throws {
        home = try Home()
        layout = try Layout()
        tar = try Layout.tar("file", Array("content".utf8))
    }

    private var layer: (stored: [UInt8], diffID: String) { (tar, Layout.digest(tar)) }

    private func message(_ body: () throws -> Void) -> String {
        let error = #expect(throws: (any Error).self) { try body() }
        return error.map { "\($0)" } ?? ""
    }

    @Test("of an index of platforms the host's image is taken, through indexes in indexes")
    func choosesPlatform() throws {
        let wanted = try layout.image([layer], extra: Layout.platform("linux", "amd64"))
        let other = try layout.image([layer], architecture: "arm64", extra: Layout.platform("linux", "arm64"))
        let attestation = try layout.image(
            [layer], os: "unknown", architecture: "unknown", extra: Layout.platform("unknown", "unknown"))
        let inner = try layout.index([attestation, other, wanted])
        let middle = try layout.index([inner])
        try layout.finish([layout.index([middle], extra: Layout.name("app:1"))])
        let images = try home.load(layout.path)
        #expect(images.map(\.digest.description) == [wanted["digest"] as? String])
        #expect(images.map(\.name) == ["app:1"])
    }

    @Test(
        "platforms that stand in index.json itself, with and without a name, are one image", arguments: [true, false])
    func choosesAtTheTop(named: Bool) throws {
        let name = named ? Layout.name("app:1") : [:]
        let wanted = try layout.image([layer], extra: Layout.platform("linux", "amd64").merging(name) { $1 })
        let other = try layout.image(
            [layer], architecture: "arm64", extra: Layout.platform("linux", "arm64").merging(name) { $1 })
        try layout.finish([other, wanted])
        #expect(try home.load(layout.path).map(\.digest.description) == [wanted["digest"] as? String])
    }

    @Test("an image for another platform is refused, and the error names both", arguments: [true, false])
    func refusesOtherPlatforms(inIndex: Bool) throws {
        let other = try layout.image(
            [layer], architecture: "s390x", extra: inIndex ? Layout.platform("linux", "s390x") : [:])
        try layout.finish([other])
        let message = message { try home.load(layout.path) }
        #expect(message.contains("linux/s390x") && message.contains(Platform.host.description))
        #expect(try home.files().isEmpty)
    }

    @Test("indexes nested without end are refused")
    func limitsNesting() throws {
        var entry = try layout.image([layer])
        for _ in 0..<6 { entry = try layout.index([entry]) }
        try layout.finish([entry])
        #expect(message { try home.load(layout.path) }.contains("more than 4 deep"))
    }

    @Test("several images in one archive are all loaded; a name for all of them is refused")
    func loadsSeveral() throws {
        let second = try Layout.tar("other", [1, 2, 3])
        try layout.finish([
            layout.image([layer], extra: Layout.name("one:1")),
            layout.image([layer, (second, Layout.digest(second))], extra: Layout.name("two:2")),
            layout.image([(second, Layout.digest(second))]),
        ])
        #expect(message { try home.load(layout.path, as: "x") }.contains("holds 3"))
        #expect(try home.files().isEmpty)
        let images = try home.load(layout.path)
        #expect(images.map(\.references.count) == [1, 1, 0])
        #expect(try home.store.images().count == 3)
        try home.checkWhole()
    }

    @Test("a given name replaces the archive's")
    func renames() throws {
        try layout.finish([layout.image([layer], extra: Layout.name("one:1"))])
        #expect(try home.load(layout.path, as: "registry.example/mine").map(\.name) == ["registry.example/mine:latest"])
        #expect(throws: (any Error).self) { try home.store.resolve("one:1") }
        let digest = String(repeating: "0", count: 64)
        #expect(message { try home.load(layout.path, as: "x@sha256:\(digest)") }.contains("digest"))
    }

    @Test("a layer that is not what its diff id says is refused", arguments: ["", "gzip"])
    func checksDiffIDs(compression: String) throws {
        let stored = compression.isEmpty ? tar : try Layout.filter(tar, "gzip", "-c")
        try layout.finish([layout.image([(stored, Layout.digest(tar + [0]))])])
        let message = message { try home.load(layout.path) }
        #expect(message.contains("diff id") && message.contains(Layout.digest(tar)))
        #expect(try home.files().isEmpty)
    }

    @Test("a blob that is not what its digest or size says is refused")
    func checksBlobs() throws {
        let stored = try Layout.filter(tar, "gzip", "-c")
        let name = "blobs/sha256/\(Layout.digest(stored).dropFirst(7))"
        let other = try Layout.filter(tar, "gzip", "-1", "-c")
        try layout.finish([layout.image([(stored, Layout.digest(tar))])])
        // The same tar archive, compressed in another way: only the blob's digest can tell.
        try layout.scratch.write(other.count == stored.count ? other : Array(other.prefix(stored.count)), to: name)
        #expect(throws: (any Error).self) { try home.load(layout.path) }
        try layout.scratch.write(stored + [0], to: name)
        #expect(message { try home.load(layout.path) }.contains("\(stored.count) bytes"))
        #expect(try home.files().isEmpty)
        try layout.scratch.write(stored, to: name)
        #expect(throws: Never.self) { try home.load(layout.path) }
    }

    @Test("a configuration with more or fewer diff ids than the manifest has layers is refused")
    func checksCounts() throws {
        let configuration = try layout.json([
            "os": "linux", "architecture": "amd64",
            "rootfs": ["type": "layers", "diff_ids": [Layout.digest(tar), Layout.digest(tar)]],
        ])
        let manifest = try layout.json([
            "schemaVersion": 2, "config": layout.blob("application/vnd.oci.image.config.v1+json", configuration),
            "layers": [layout.blob("application/vnd.oci.image.layer.v1.tar", tar)],
        ])
        try layout.finish([layout.blob("application/vnd.oci.image.manifest.v1+json", manifest)])
        #expect(message { try home.load(layout.path) }.contains("diff ids"))
    }

    @Test("as many layers as Docker allows are loaded, one more is refused by the limit's name")
    func limitsLayers() throws {
        let layers = try (0..<128).map { number in
            let tar = try Layout.tar("file\(number)", Array("\(number)".utf8))
            return (stored: tar, diffID: Layout.digest(tar))
        }
        try layout.finish([layout.image(Array(layers.prefix(127)))])
        let images = try home.load(layout.path)
        #expect(try home.store.resolve(images[0].name).openDisk().count == 128)
        try home.checkWhole()
        try layout.finish([layout.image(layers)])
        #expect(message { try home.load(layout.path) }.contains("limit layers of 127"))
    }

    @Test("an image without layers, and an archive without images, are refused")
    func refusesNothing() throws {
        try layout.finish([layout.image([])])
        #expect(message { try home.load(layout.path) }.contains("no layers"))
        try layout.finish([])
        #expect(message { try home.load(layout.path) }.contains("no image"))
    }

    @Test("what is no image is told so", arguments: ["application/vnd.cncf.helm.config.v1+json", ""])
    func refusesArtifacts(type: String) throws {
        let manifest = try layout.json([
            "schemaVersion": 2, "config": layout.blob(type, Array("{}".utf8)),
            "layers": [layout.blob("application/vnd.oci.image.layer.v1.tar", tar)],
        ])
        try layout.finish([layout.blob("application/vnd.oci.image.manifest.v1+json", manifest)])
        #expect(message { try home.load(layout.path) }.contains("no container image"))
    }
}
