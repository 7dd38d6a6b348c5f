import Foundation
import ImageStore
import OCI
import Testing

@Suite("Archives that Debian's tools write")
struct RealArchiveTests {
    let real: RealImages
    let home: Home

    init() throws {
        real = try RealImages.shared.get()
        home = try Home()
    }

    @Test(
        "an oci-archive of skopeo has the digest that skopeo tells, and the name it was given",
        arguments: ["", ".gz", ".zst"])
    func loadsOCI(suffix: String) throws {
        let images = try home.load(real.oci + suffix)
        #expect(images.map(\.name) == ["localhost:5000/a/busybox:2"])
        #expect(try images.first?.digest.description == real.manifestDigest())
        try checkContent("localhost:5000/a/busybox:2")
    }

    @Test("a docker-archive of skopeo has the same digest however it is compressed")
    func loadsDocker() throws {
        let digests = try ["", ".gz", ".zst"].map { suffix in
            let images = try home.load(real.docker + suffix)
            #expect(images.map(\.name) == ["busybox:1"])
            return images.map(\.digest)
        }
        #expect(Set(digests).count == 1)
        try checkContent("busybox:1")
        // The manifest that was made for it names the layers as they are uncompressed.
        let image = try home.store.resolve("busybox:1")
        let path = "\(home.scratch.path)/store/blobs/sha256/\(image.digest.hex)"
        #expect(try Tool.sha256(path) == image.digest.description)
        let manifest = try Manifest(decoding: [UInt8](Data(contentsOf: URL(fileURLWithPath: path))))
        #expect(try manifest.layers.map(\.digest.description) == real.diffIDs())
        let layers = try Scratch()
        try Tool.succeed("tar", "-C", layers.path, "-xf", real.docker)
        for layer in manifest.layers {
            let size = try Tool.succeed("stat", "-c", "%s", "\(layers.path)/\(layer.digest.hex).tar")
            #expect(size == "\(layer.size)")
        }
    }

    @Test("a directory of umoci is loaded as it is")
    func loadsDirectory() throws {
        let images = try home.load(real.layout)
        #expect(images.map(\.name) == ["t:latest"])
        #expect(try images.first?.digest.description == real.manifestDigest())
    }

    @Test("all shapes of one image share its layers and its disk")
    func sharesLayers() throws {
        try home.load(real.oci)
        let before = try home.files().keys.filter { $0.hasPrefix("layers/") || $0.hasPrefix("disks/") }
        try home.load(real.docker)
        try home.load(real.layout)
        #expect(Set(try home.files().keys.filter { $0.hasPrefix("layers/") || $0.hasPrefix("disks/") }) == Set(before))
        // Of each layer data, index, and the archive with what it is; and one disk.
        #expect(before.count == 3 * 4 + 1)
    }

    @Test("the digest of the stack of layers is that of the OCI specification")
    func chains() throws {
        try home.load(real.oci)
        let diffIDs = try real.diffIDs()
        var chain = diffIDs[0]
        for diffID in diffIDs.dropFirst() {
            let scratch = try Scratch()
            chain = try Tool.sha256(scratch.write("\(chain) \(diffID)".utf8, to: "text"))
        }
        #expect(try home.store.resolve("localhost:5000/a/busybox:2").record.chain.description == chain)
    }

    @Test("what is loaded a second time changes nothing", arguments: [\RealImages.oci, \RealImages.docker])
    func loadsTwice(archive: KeyPath<RealImages, String> & Sendable) throws {
        let first = try home.load(real[keyPath: archive])
        let files = try home.files()
        #expect(try home.load(real[keyPath: archive]) == first)
        #expect(try home.files() == files)
    }

    @Test(
        "buildah's archives are loaded", .enabled(if: Tool.isRoot, "buildah needs root here"),
        arguments: ["docker", "oci"])
    func loadsBuildah(kind: String) throws {
        let scratch = try Scratch()
        let storage = [
            "buildah", "--storage-driver", "vfs", "--root", scratch.path + "/root", "--runroot", scratch.path + "/run",
        ]
        func buildah(_ arguments: String...) throws -> String {
            let outcome = try Tool.run(storage + arguments)
            guard outcome.status == 0 else { throw Tool.Failure(description: "buildah \(arguments): \(outcome.error)") }
            return outcome.text.trimmingCharacters(in: .newlines)
        }
        let container = try buildah("from", "scratch")
        _ = try buildah("copy", "-q", container, "/bin/busybox", "/bin/busybox")
        _ = try buildah(
            "config", "--cmd", "[\"/bin/busybox\",\"true\"]", "--entrypoint", "[]", "--env", "A=b", container)
        let id = try buildah("commit", "-q", "--format", kind == "oci" ? "oci" : "docker", container, "built:3")
        _ = try buildah("push", "-q", id, "\(kind)-archive:\(scratch.path)/a.tar:localhost/built:3")
        #expect(try home.load(scratch.path + "/a.tar").map(\.name) == ["localhost/built:3"])
        let image = try home.store.resolve("localhost/built:3")
        #expect(try image.configuration.command == ["/bin/busybox", "true"])
        #expect(image.record.configuration.hex == id)
        let extracted = try home.extract("localhost/built:3")
        #expect(try Tool.sha256(extracted.path + "/root/bin/busybox") == Tool.sha256("/bin/busybox"))
    }

    /// Compares what is stored with what went into the image.
    private func checkContent(_ name: String) throws {
        let image = try home.store.resolve(name)
        let configuration = try image.configuration
        #expect(configuration.entrypoint == ["/bin/busybox"])
        #expect(configuration.command == ["echo", "hello world"])
        #expect(configuration.environment.contains("PATH=/bin"))
        #expect(configuration.user == "7:8")
        #expect(configuration.workingDirectory == "/etc")
        #expect(configuration.labels == ["a": "b"])
        #expect(configuration.stopSignal == "SIGINT")
        #expect(configuration.exposedPorts == ["80/tcp"])
        #expect(try image.record.layers.map(\.description) == real.diffIDs())
        let extracted = try home.extract(name)
        #expect(try Tool.sha256(extracted.path + "/root/bin/busybox") == Tool.sha256("/bin/busybox"))
        #expect(try String(contentsOfFile: extracted.path + "/root/etc/one", encoding: .utf8) == "one\n")
        #expect(!FileManager.default.fileExists(atPath: extracted.path + "/root/etc/two"))
        #expect(try image.openDisk().reduce(0) { $0 + $1.length } == image.record.size)
    }
}
