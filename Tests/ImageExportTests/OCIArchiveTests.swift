import Glibc
import Hashing
import ImageExport
import ImageStore
import LinuxSystem
import OCI
import Testing

/// An OCI archive holds the blobs as they came.
@Suite("Saving OCI archives")
struct OCIArchiveTests {
    let test: TestStore
    var scratch: Scratch { test.scratch }

    init() throws { test = try TestStore() }

    @Test("skopeo finds the digests that the image had, in layers of every form")
    func digests() throws {
        let layers = [
            try test.layer("a", "one", .gzip), try test.layer("b", "two", .plain), try test.layer("c", "three", .zstd),
        ]
        let image = try test.add("localhost:5000/a/b:1", layers: layers)
        try ImageArchive.oci.save([image], "image.tar", in: scratch)
        #expect(
            try scratch.shell("skopeo inspect --format '{{.Digest}}' oci-archive:image.tar:1")
                == image.digest.description)
        #expect(
            try scratch.shell("skopeo inspect --format '{{range .Layers}}{{.}} {{end}}' oci-archive:image.tar:1")
                .split(separator: " ").map(String.init) == layers.map(\.descriptor.digest.description))
        // What skopeo reads, it checks against its digest.
        try scratch.shell("skopeo copy -q --preserve-digests oci-archive:image.tar:1 dir:copy")
        for layer in layers { #expect(try scratch.read("copy/\(layer.descriptor.digest.hex)") == layer.stored) }
        #expect(try scratch.read("copy/manifest.json") == image.manifest)
    }

    @Test("each file is named by the hash that sha256sum tells, and there are no others")
    func names() throws {
        let image = try test.add("x", layers: [test.layer("a", "one", .gzip), test.layer("b", "two", .plain)])
        try ImageArchive.oci.save([image], "image.tar", in: scratch)
        try scratch.shell("mkdir out; tar -C out -xf image.tar")
        #expect(try scratch.shell("cd out; find . -type f | grep -v /blobs/ | sort") == "./index.json\n./oci-layout")
        #expect(
            try scratch.shell(
                "cd out/blobs/sha256; sha256sum * | awk '$1 != $2 { print \"wrong\", $0 } END { print NR }'")
                == "4")
    }

    @Test("umoci unpacks a layout written to a directory")
    func directory() throws {
        let image = try test.add("x:1", layers: [test.layer("a", "one", .gzip), test.layer("b", "two", .plain)])
        let target = try ArchiveTarget.directory(scratch.path + "/layout/")
        try ImageArchive.oci.save([OutgoingImage(image, names: image.references)], to: target)
        #expect(try scratch.shell("umoci stat --image layout:1 --json | head -c 1") == "{")
        try scratch.shell("umoci unpack --rootless --image layout:1 bundle")
        #expect(try scratch.shell("cat bundle/rootfs/a bundle/rootfs/b") == "onetwo")
        #expect(throws: ImageExportError.exists(path: scratch.path + "/layout")) {
            try ArchiveTarget.directory(scratch.path + "/layout")
        }
    }

    @Test("buildah takes an image from an archive under the name it has in there", .enabled(if: geteuid() == 0))
    func buildah() throws {
        let image = try test.add("localhost/a/b:1", layers: [test.layer("a", "one", .gzip)])
        try ImageArchive.oci.save([image], "image.tar", in: scratch)
        let storage = "--root \(scratch.path)/storage --runroot \(scratch.path)/run --storage-driver vfs"
        try scratch.shell("buildah \(storage) pull -q oci-archive:image.tar")
        let images = try scratch.shell(
            "buildah \(storage) images --format '{{.Name}}:{{.Tag}} {{.Digest}}' | tr -s ' '")
        #expect(images == "localhost/a/b:1 \(image.digest)")
    }

    @Test("several images and names make several entries, and each blob is there once")
    func several() throws {
        let base = try test.layer("base", "shared", .gzip)
        let images = [
            try test.add("a:1", "a:2", layers: [base, test.layer("a", "one", .plain)]),
            try test.add("b:1", layers: [base, test.layer("b", "two", .zstd)]),
        ]
        try ImageArchive.oci.save(images, "image.tar", in: scratch)
        let files = try scratch.shell("tar -tf image.tar").split(separator: "\n")
        #expect(Set(files).count == files.count)
        #expect(files.count == 2 + 2 + 2 + 2 + 3)
        let index = try Index(decoding: Array(scratch.shell("tar -xOf image.tar index.json").utf8))
        #expect(
            index.manifests.map(\.imageName)
                == ["docker.io/library/a:1", "docker.io/library/a:2", "docker.io/library/b:1"])
        #expect(index.manifests.map(\.digest) == [images[0], images[0], images[1]].map(\.digest))
    }

    @Test("an image without a name is saved without one")
    func nameless() throws {
        let image = try test.add(layers: [test.layer("a", "one", .gzip)])
        try ImageArchive.oci.save([image, image], "image.tar", in: scratch)
        #expect(
            try scratch.shell("skopeo inspect --format '{{.Digest}}' oci-archive:image.tar")
                == image.digest.description)
    }

    @Test("a layer that is kept in another form than the manifest says is given out as it is kept")
    func otherForm() throws {
        let kept = try test.layer("a", "one", .gzip)
        _ = try test.add("first", layers: [kept])
        let other = TestStore.Layer(tar: kept.tar, stored: try test.layer("a", "one", .zstd).stored, form: .zstd)
        let plain = TestStore.Layer(tar: kept.tar, stored: kept.tar, form: .plain)
        let zstd = try test.add("zstd", layers: [kept], command: "y", described: [other.descriptor])
        let outgoing = try OutgoingImage(zstd, names: zstd.references)
        #expect(outgoing.layers.map(\.descriptor) == [kept.descriptor])
        #expect(outgoing.descriptor.digest != zstd.digest)
        #expect(try Manifest(decoding: outgoing.manifest).annotations == ["a": "b"])
        // But uncompressed it can be had.
        let image = try test.add("plain", layers: [kept], command: "z", described: [plain.descriptor])
        #expect(try OutgoingImage(image, names: []).descriptor.digest == image.digest)
        try ImageArchive.oci.save([zstd, image], "image.tar", in: scratch)
        for entry in try Index(decoding: Array(scratch.shell("tar -xOf image.tar index.json").utf8)).manifests {
            try scratch.shell("rm -rf copy layout; mkdir layout; tar -C layout -xf image.tar")
            // umoci would look for the name, which both have in common.
            let only = Index(manifests: [
                ContentDescriptor(mediaType: entry.mediaType, digest: entry.digest, size: entry.size)
            ])
            try scratch.write(BoundedJSON.encode(only), to: "layout/index.json")
            try scratch.shell("skopeo copy -q --preserve-digests oci:layout dir:copy")
        }
    }

    @Test("a manifest of Docker's kind that must change becomes one of the OCI specification")
    func rewrittenDocker() throws {
        let plain = try test.layer("a", "one", .plain)
        let other = try test.layer("a", "one", .gzip)
        let type = MediaType(rawValue: "application/vnd.docker.image.rootfs.diff.tar.gzip")
        let described = ContentDescriptor(
            mediaType: type, digest: other.descriptor.digest, size: other.descriptor.size)
        let image = try test.add("x:1", layers: [plain], described: [described], docker: true)
        let outgoing = try OutgoingImage(image, names: image.references)
        let manifest = try Manifest(decoding: outgoing.manifest)
        #expect(manifest.mediaType == .manifest && manifest.config.mediaType == .configuration)
        #expect(manifest.layers == [plain.descriptor])
        try ImageArchive.oci.save([outgoing], to: .file(scratch.path + "/image.tar"))
        try scratch.shell("skopeo copy -q --preserve-digests oci-archive:image.tar:1 dir:copy")
    }
}
