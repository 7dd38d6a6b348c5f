import Glibc
import Hashing
import ImageExport
import ImageStore
import LinuxSystem
import OCI
import Testing

/// A docker archive holds configurations and uncompressed layers.
@Suite("Saving docker archives")
struct DockerArchiveTests {
    let test: TestStore
    var scratch: Scratch { test.scratch }

    init() throws { test = try TestStore() }

    @Test("skopeo finds configuration and uncompressed layers, in layers of every form")
    func layers() throws {
        let layers = [
            try test.layer("a", "one", .gzip), try test.layer("b", "two", .plain), try test.layer("c", "three", .zstd),
        ]
        let image = try test.add("busybox:1", layers: layers)
        try ImageArchive.docker.save([image], "image.tar", in: scratch)
        #expect(
            try scratch.shell(
                "skopeo inspect --config --raw docker-archive:image.tar:busybox:1 | sha256sum | cut -c-64")
                == image.record.configuration.hex)
        try scratch.shell("skopeo copy -q docker-archive:image.tar:busybox:1 dir:copy")
        for layer in layers { #expect(try scratch.read("copy/\(layer.diffID.hex)") == layer.tar) }
        #expect(
            try scratch.shell("tar -xOf image.tar repositories")
                == #"{"busybox":{"1":"\#(layers[2].diffID.hex)"}}"#)
    }

    @Test("buildah takes all names of all images, and layers that they share are there once")
    func several() throws {
        let base = try test.layer("base", "shared", .gzip)
        let images = [
            try test.add("localhost/a:1", "localhost/a:2", layers: [base, test.layer("a", "one", .plain)]),
            try test.add("localhost/b:1", layers: [base, test.layer("b", "two", .zstd)]),
        ]
        try ImageArchive.docker.save(images, "image.tar", in: scratch)
        let files = try scratch.shell("tar -tf image.tar").split(separator: "\n")
        #expect(Set(files).count == files.count)
        #expect(files.filter { $0.hasSuffix("/layer.tar") }.count == 3)
        #expect(
            try scratch.shell("skopeo list-tags docker-archive:image.tar | tr -d ' \\n'")
                == #"{"Tags":["localhost/a:1","localhost/a:2","localhost/b:1"]}"#)
        guard geteuid() == 0 else { return }
        let storage = "--root \(scratch.path)/storage --runroot \(scratch.path)/run --storage-driver vfs"
        try scratch.shell("buildah \(storage) pull -q docker-archive:image.tar:localhost/b:1")
        #expect(try scratch.shell("buildah \(storage) images --format '{{.Name}}:{{.Tag}}'") == "localhost/b:1")
    }

    @Test("one configuration under two names is one image")
    func sameImage() throws {
        let image = try test.add("a:1", "b:1", layers: [test.layer("a", "one", .gzip)])
        let parts = try image.references.map { try OutgoingImage(image, names: [$0]) }
        try ImageArchive.docker.save(parts, to: .file(scratch.path + "/image.tar"))
        let hex = image.record.configuration.hex
        let layer = image.record.layers[0].hex
        #expect(
            try scratch.shell("tar -xOf image.tar manifest.json")
                == #"[{"Config":"\#(hex).json","Layers":["\#(layer)/layer.tar"],"RepoTags":["a:1","b:1"]}]"#)
    }

    @Test("a docker archive is no directory")
    func directory() throws {
        let image = try test.add("a:1", layers: [test.layer("a", "one", .gzip)])
        #expect(throws: ImageExportError.directoryOfDockerArchive(path: scratch.path + "/out")) {
            try ImageArchive.docker.save(
                [OutgoingImage(image, names: [])], to: .directory(scratch.path + "/out"))
        }
        #expect(try !scratch.names().contains("out"))
    }
}
