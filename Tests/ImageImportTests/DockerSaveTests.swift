import Foundation
import OCI
import Testing

/// Archives as versions of `docker save` lay them out, written by hand: the names and links are Docker's.
@Suite("Layouts of docker save")
struct DockerSaveTests {
    let home: Home
    let scratch: Scratch
    let layers: [[UInt8]]

    init() throws {
        home = try Home()
        scratch = try Scratch()
        layers = try [Layout.tar("a", Array("first".utf8)), Layout.tar("b", Array("second".utf8))]
    }

    private var configuration: [UInt8] {
        Array(
            """
            {"architecture":"amd64","os":"linux","config":{"Cmd":["sh"]},"rootfs":{"type":"layers","diff_ids":\
            ["\(Layout.digest(layers[0]))","\(Layout.digest(layers[1]))","\(Layout.digest(layers[0]))"]}}
            """.utf8)
    }

    /// Packs what was written in this order.
    private func pack(_ names: [String]) throws -> String {
        try Tool.succeed("rm", "-f", scratch.path + "/out.tar")
        let outcome = try Tool.run(["tar", "-C", scratch.path, "-cf", scratch.path + "/out.tar"] + names)
        guard outcome.status == 0 else { throw Tool.Failure(description: outcome.error) }
        return scratch.path + "/out.tar"
    }

    private func manifest(_ layers: [String], config: String, names: String = "[\"app:1\",\"other/app:2\"]") throws {
        let list = layers.map { "\"\($0)\"" }.joined(separator: ",")
        try scratch.write(
            "[{\"Config\":\"\(config)\",\"RepoTags\":\(names),\"Layers\":[\(list)]}]\n".utf8, to: "manifest.json")
    }

    private func check() throws {
        let extracted = try home.extract("app:1")
        #expect(try String(contentsOfFile: extracted.path + "/root/a", encoding: .utf8) == "first")
        #expect(try String(contentsOfFile: extracted.path + "/root/b", encoding: .utf8) == "second")
        #expect(try home.store.resolve("other/app:2").record.layers.count == 3)
    }

    @Test("layers in directories of their own, a repeated one as a link, in any order of the members")
    func loadsOld() throws {
        let ids = ["1", "2", "3"].map { String(repeating: $0, count: 64) }
        for (id, layer) in zip(ids, layers) {
            try scratch.write(layer, to: id + "/layer.tar")
            try scratch.write("1.0".utf8, to: id + "/VERSION")
            try scratch.write("{\"id\":\"\(id)\"}".utf8, to: id + "/json")
        }
        try scratch.write("1.0".utf8, to: ids[2] + "/VERSION")
        try FileManager.default.createSymbolicLink(
            atPath: "\(scratch.path)/\(ids[2])/layer.tar", withDestinationPath: "../\(ids[0])/layer.tar")
        let config = Layout.digest(configuration).dropFirst(7) + ".json"
        try scratch.write(configuration, to: String(config))
        try scratch.write("{\"app\":{\"1\":\"\(ids[2])\"}}".utf8, to: "repositories")
        try manifest(ids.map { $0 + "/layer.tar" }, config: String(config))

        let names = ids + [String(config), "manifest.json", "repositories"]
        var digests: Set<Digest> = []
        for order in [names, names.reversed()] {
            let archive = try pack(order)
            digests.formUnion(try home.load(archive).map(\.digest))
            let piped = try home.run("load", input: archive)
            #expect(piped.text == "app:1\n")
        }
        #expect(digests.count == 1)
        try check()
    }

    @Test("hard links and ./ before the names")
    func loadsHardLinks() throws {
        try scratch.write(layers[0], to: "l/0.tar")
        try scratch.write(layers[1], to: "l/1.tar")
        try FileManager.default.linkItem(atPath: scratch.path + "/l/0.tar", toPath: scratch.path + "/l/2.tar")
        try scratch.write(configuration, to: "c.json")
        try manifest(["l/0.tar", "l/1.tar", "l/2.tar"], config: "c.json")
        try home.load(pack(["./l", "./c.json", "./manifest.json"]))
        try check()
    }

    @Test("both layouts at once, as version 25 and later write them, have the digest of their own manifest")
    func loadsNew() throws {
        let blobs = try Layout()
        let descriptor = try blobs.image(
            [layers[0], layers[1], layers[0]].map { ($0, Layout.digest($0)) },
            extra: [
                "annotations": [
                    "io.containerd.image.name": "docker.io/library/app:1", "org.opencontainers.image.ref.name": "1",
                ]
            ])
        let again = descriptor.merging([
            "annotations": [
                "io.containerd.image.name": "docker.io/other/app:2", "org.opencontainers.image.ref.name": "2",
            ]
        ]) { $1 }
        try blobs.finish([descriptor, again])
        try Tool.succeed("cp", "-a", blobs.path + "/.", scratch.path)
        let names = [layers[0], layers[1], layers[0]].map { "blobs/sha256/\(Layout.digest($0).dropFirst(7))" }
        try manifest(names, config: "blobs/sha256/0")
        let images = try home.load(pack(["blobs", "index.json", "manifest.json", "oci-layout"]))
        #expect(images.map(\.digest.description) == [descriptor["digest"] as? String])
        #expect(images.first?.references.map(\.familiar) == ["app:1", "other/app:2"])
        try check()
    }

    @Test("compressed layers give the same image as uncompressed ones, also when the layers are there already")
    func loadsCompressedLayers() throws {
        try scratch.write(configuration, to: "c.json")
        var digests: Set<Digest> = []
        for command in [["cat"], ["gzip", "-c"], ["zstd", "-qc"]] {
            for (number, layer) in [layers[0], layers[1], layers[0]].enumerated() {
                let bytes =
                    command.count == 1
                    ? try Layout.filter(layer, "cat") : try Layout.filter(layer, command[0], command[1])
                try scratch.write(bytes, to: "\(number).tar")
            }
            try manifest(["0.tar", "1.tar", "2.tar"], config: "c.json")
            digests.formUnion(
                try home.load(pack(["manifest.json", "c.json", "0.tar", "1.tar", "2.tar"])).map(\.digest))
        }
        #expect(digests.count == 1)
        try check()
    }

    @Test("an image without a name is run by its digest")
    func loadsNameless() throws {
        try scratch.write(configuration, to: "c.json")
        try scratch.write(layers[0], to: "0.tar")
        try scratch.write(layers[1], to: "1.tar")
        for names in ["null", "[]", "[\"<none>:<none>\"]"] {
            try manifest(["0.tar", "1.tar", "0.tar"], config: "c.json", names: names)
            let images = try home.load(pack(["manifest.json", "c.json", "0.tar", "1.tar"]))
            #expect(images.map(\.name) == images.map(\.digest.description))
        }
        #expect(try home.store.images().map(\.references) == [[]])
    }

    @Test(
        "what manifest.json names and the archive lacks is told",
        arguments: ["c.json", "0.tar", "1.tar"])
    func tellsMissing(name: String) throws {
        try scratch.write(configuration, to: "c.json")
        try scratch.write(layers[0], to: "0.tar")
        try scratch.write(layers[1], to: "1.tar")
        try manifest(["0.tar", "1.tar", "0.tar"], config: "c.json")
        let archive = try pack(["manifest.json", "c.json", "0.tar", "1.tar"].filter { $0 != name })
        let error = #expect(throws: (any Error).self) { try home.load(archive) }
        #expect("\(String(describing: error))".contains(name) || error.map { "\($0)" }?.contains(name) == true)
        #expect(try home.files().isEmpty)
    }

    @Test("links in a circle are a missing file, not a hang")
    func survivesCircles() throws {
        for (name, target) in [("0.tar", "1.tar"), ("1.tar", "0.tar"), ("c.json", "c.json")] {
            try FileManager.default.createSymbolicLink(atPath: "\(scratch.path)/\(name)", withDestinationPath: target)
        }
        try manifest(["0.tar"], config: "c.json")
        #expect(throws: (any Error).self) { try home.load(pack(["manifest.json", "c.json", "0.tar", "1.tar"])) }
    }

    @Test("links that lead out of the archive find nothing outside")
    func staysInside() throws {
        for target in ["/etc/passwd", "../../../../../../etc/passwd"] {
            try? FileManager.default.removeItem(atPath: scratch.path + "/c.json")
            try FileManager.default.createSymbolicLink(atPath: scratch.path + "/c.json", withDestinationPath: target)
            try manifest(["0.tar"], config: "c.json")
            let error = #expect(throws: (any Error).self) { try home.load(pack(["manifest.json", "c.json"])) }
            #expect(error.map { "\($0)" }?.contains("does not hold it") == true)
        }
    }
}
