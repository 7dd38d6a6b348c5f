import Foundation
import OCI
import Testing

/// What the documents of an archive may try.
@Suite("Hostile documents", .serialized)
struct HostileDocumentTests {
    private static let layer = HostileArchive.tar([("f", Array("content".utf8))])

    private static func configuration(_ more: String = "") -> [UInt8] {
        Array(
            """
            {"architecture":"amd64","os":"linux","rootfs":{"type":"layers","diff_ids":["\(Layout.digest(layer))"]}\(more)}
            """.utf8)
    }

    /// An entry of `manifest.json`.
    private static func item(
        config: String = "\"c.json\"", tags: String = "[\"app:1\"]", layers: String = "[\"l.tar\"]"
    ) -> String { "{\"Config\":\(config),\"RepoTags\":\(tags),\"Layers\":\(layers)}" }

    /// A docker archive with this `manifest.json`, and a configuration and layer that fit.
    private static func files(_ manifest: String, configuration: [UInt8] = configuration()) -> [(String, [UInt8])] {
        [("manifest.json", Array(manifest.utf8)), ("c.json", configuration), ("l.tar", layer)]
    }

    private static func repeated(_ text: String, _ count: Int) -> String {
        Array(repeating: text, count: count).joined(separator: ",")
    }

    private static let deep =
        String(repeating: "[", count: 1_000_000) + String(repeating: "]", count: 1_000_000)

    @Test("documents of docker archives", arguments: dockerArchives)
    func refusesDockerArchive(_ archive: HostileArchive) throws { try archive.check() }

    private static let dockerArchives = [
        HostileArchive(
            "manifest.json of 100 MB", .refused("maximumSize"),
            docker: {
                files("[\(item(tags: "[\"" + String(repeating: "x", count: 100_000_000) + "\"]"))]")
            }),
        HostileArchive("manifest.json of a million levels", .refused("nested deeper"), docker: { files(deep) }),
        HostileArchive(
            "manifest.json of a million empty lists", .refused("manifest.json"),
            docker: {
                files("[\(repeated("[]", 1_300_000))]")
            }),
        HostileArchive(
            "a number no machine can hold", .loaded(["f = content"]),
            docker: {
                files("[{\"x\":1e999999,\(item().dropFirst())]")
            }),
        HostileArchive(
            "text that is no UTF-8", .refused("manifest.json"),
            docker: {
                [("manifest.json", Array("[{\"Config\":\"".utf8) + [0xff, 0xfe] + Array("\"}]".utf8))]
            }),
        HostileArchive(
            "100,000 layers", .refused("limit layers of 127"),
            docker: {
                files("[\(item(layers: "[\(repeated("\"l.tar\"", 100_000))]"))]")
            }),
        HostileArchive(
            "1,000 images", .refused("limit images of 256"),
            docker: {
                files("[\(repeated(item(), 1000))]")
            }),
        HostileArchive(
            "100,000 names", .refused("limit references of"),
            docker: {
                files("[\(item(tags: "[\((0..<100_000).map { "\"a\($0):1\"" }.joined(separator: ","))]"))]")
            }),
        HostileArchive(
            "one name three times, written in three ways", .loaded(["f = content"]),
            docker: {
                files("[\(item(tags: "[\"app:1\",\"app:1\",\"docker.io/library/app:1\"]"))]")
            }),
        HostileArchive(
            "256 times a configuration of 4 MB", .refused("limit documentBytes of"),
            docker: {
                let comment = String(repeating: "x", count: 4_000_000)
                return files(
                    "[\(repeated(item(tags: "null"), 256))]",
                    configuration: configuration(",\"comment\":\"\(comment)\""))
            }),
        HostileArchive(
            "a configuration that is a path out", .refused("does not hold it"),
            docker: {
                files("[\(item(config: "\"../../../../../../etc/passwd\""))]")
            }),
        HostileArchive(
            "layers that are paths out", .refused("does not hold it"),
            docker: {
                files("[\(item(layers: "[\"..\"]"))]")
            }),
        HostileArchive(
            "a layer without a name", .refused("does not hold it"),
            docker: {
                files("[\(item(layers: "[\"\"]"))]")
            }),
        HostileArchive(
            "a name of 3 MB", .refused("does not hold it"),
            docker: {
                files("[\(item(config: "\"\(String(repeating: "x", count: 3_000_000))\""))]")
            }),
        HostileArchive(
            "a name that pretends to be a message", .refused("does not hold it"),
            docker: {
                files("[\(item(layers: "[\"\\nsandpiper: all is well\\u001b[2J\\u009b\"]"))]")
            }),
        HostileArchive("the file of the manifest is a link out", .refused("neither index.json nor manifest.json")) {
            trap in
            try trap.outside.write(
                TarBytes.archive { $0.add("manifest.json", type: "2", link: trap.outside.path + "/victim") },
                to: "archive.tar")
        },
        HostileArchive("a layer is a hard link out", .refused("does not hold it")) { trap in
            try trap.outside.write(
                TarBytes.archive { tar in
                    for (name, content) in files("[\(item())]").dropLast() {
                        tar.add(.init(name: Array(name.utf8)), content: content)
                    }
                    tar.add("l.tar", type: "1", link: trap.climb + "/victim")
                }, to: "archive.tar")
        },
        HostileArchive("a layer is a fifo", .refused("does not hold it")) { trap in
            try trap.outside.write(
                TarBytes.archive { tar in
                    for (name, content) in files("[\(item())]").dropLast() {
                        tar.add(.init(name: Array(name.utf8)), content: content)
                    }
                    tar.add("l.tar", type: "6")
                }, to: "archive.tar")
        },
        HostileArchive("an extended header of 2 MB", .refused("an extended header has 2097152 bytes")) { trap in
            try trap.outside.write(
                TarBytes.archive { $0.add("pax", type: "x", content: String(repeating: "x", count: 2 << 20)) },
                to: "archive.tar")
        },
        HostileArchive("70,000 files", .refused("more than 65536 entries")) { trap in
            let file = TarBytes.header(.init(name: Array("f".utf8)), contentSize: 0)
            return try trap.outside.write(Array(repeating: file, count: 70_000).joined(), to: "archive.tar")
        },
        HostileArchive("60,000 files with names of 4,000 bytes", .refused("--limit archiveNameBytes=")) { trap in
            let name = (0..<20).map { _ in String(repeating: "d", count: 199) }.joined(separator: "/")
            var tar = TarBytes()
            for number in 0..<1000 {
                tar.addPax([("path", "\(name)/\(number)")])
                tar.add("x")
            }
            return try trap.outside.write(Array(repeating: tar.bytes, count: 60).joined(), to: "archive.tar")
        },
    ]

    @Test("two images of one name: the last one has it, as in docker, and all is as said")
    func sharedName() throws {
        let trap = try Trap()
        let other = Self.configuration(",\"config\":{\"Cmd\":[\"other\"]}")
        let archive = try trap.outside.write(
            HostileArchive.tar(
                Self.files("[\(Self.item()),\(Self.item(config: "\"d.json\""))]") + [("d.json", other)]),
            to: "archive.tar")
        let (outcome, _) = try trap.measured(["load", archive])
        #expect(outcome.status == 0, "\(outcome.error)")
        let images = try trap.home.store.images()
        #expect(images.count == 2)
        #expect(
            images.filter { !$0.references.isEmpty }.map(\.record.configuration.description) == [Layout.digest(other)])
        #expect(outcome.text.split(separator: "\n").last == "app:1")
    }

    // MARK: OCI layouts

    /// A layout of one image, in which a document is another than its digest says.
    private static func swapping(
        _ name: String, _ change: @escaping @Sendable (_ manifest: [String: Any]) -> String,
        by content: @escaping @Sendable ([UInt8]) -> [UInt8], _ text: String
    ) -> HostileArchive {
        HostileArchive(name, .refused(text)) { trap in
            let entry = try trap.layout.image([(layer, Layout.digest(layer))])
            try trap.layout.finish([entry])
            let digest = entry["digest"] as? String ?? ""
            let manifestPath = "\(trap.layout.path)/blobs/sha256/\(digest.dropFirst(7))"
            let manifest = try JSONSerialization.jsonObject(with: Data(contentsOf: URL(fileURLWithPath: manifestPath)))
            let blob = change(["digest": digest].merging(manifest as? [String: Any] ?? [:]) { $1 })
            let path = "blobs/sha256/\(blob.dropFirst(7))"
            let old = [UInt8](try Data(contentsOf: URL(fileURLWithPath: "\(trap.layout.path)/\(path)")))
            try trap.layout.scratch.write(content(old), to: path)
            return trap.layout.path
        }
    }

    private static let ofManifest: @Sendable ([String: Any]) -> String = { $0["digest"] as? String ?? "" }
    private static let ofConfiguration: @Sendable ([String: Any]) -> String = {
        ($0["config"] as? [String: Any])?["digest"] as? String ?? ""
    }

    /// A layout whose `index.json` is this.
    private static func layoutOf(_ name: String, _ text: String, refused reason: String) -> HostileArchive {
        HostileArchive(name, .refused(reason)) { trap in
            try trap.layout.scratch.write(text.utf8, to: "index.json")
            return trap.layout.path
        }
    }

    private static func entry(
        type: String = "application/vnd.oci.image.manifest.v1+json",
        digest: String = "sha256:" + String(repeating: "0", count: 64), size: String = "2", more: String = ""
    ) -> String { "{\"mediaType\":\"\(type)\",\"digest\":\"\(digest)\",\"size\":\(size)\(more)}" }

    private static func index(_ entries: String...) -> String {
        "{\"schemaVersion\":2,\"manifests\":[\(entries.joined(separator: ","))]}"
    }

    @Test("documents of OCI layouts", arguments: layouts)
    func refusesLayout(_ archive: HostileArchive) throws { try archive.check() }

    private static let layouts = [
        swapping(
            "another manifest of the same length", ofManifest, by: { $0.dropLast() + [0x20] }, "is not what it should"),
        swapping("a longer manifest", ofManifest, by: { $0 + [0x20] }, "bytes, found"),
        swapping(
            "another configuration of the same length", ofConfiguration, by: { $0.dropLast() + [0x20] },
            "is not what it should"),
        swapping("a shorter configuration", ofConfiguration, by: { $0.dropLast() }, "bytes, found"),
        layoutOf("index.json of 100 MB", String(repeating: " ", count: 100_000_000), refused: "maximumSize"),
        layoutOf("index.json of a million levels", deep, refused: "nested deeper"),
        layoutOf(
            "100,000 images", index(repeated(entry(), 25_000)), refused: "more than 4096 entries"),
        layoutOf("a digest that is a path", index(entry(digest: "sha256:../../../../etc/passwd")), refused: "digest"),
        layoutOf(
            "a digest of no known kind", index(entry(digest: "md5:d41d8cd98f00b204e9800998ecf8427e")), refused: "digest"
        ),
        layoutOf("a size below nothing", index(entry(size: "-1")), refused: "negative size"),
        layoutOf("a size of 8 EiB", index(entry(size: "9223372036854775807")), refused: "does not hold it"),
        layoutOf("a size of more than 64 bits", index(entry(size: "18446744073709551616")), refused: "index.json"),
        layoutOf("a size that is no number", index(entry(size: "\"2\"")), refused: "unexpected type"),
        layoutOf(
            "a media type that would drive a terminal", index(entry(type: "x\\u001b[2J\\u009b\\n")),
            refused: "lists no image"),
        HostileArchive("a manifest of a million levels", .refused("nested deeper")) { trap in
            try trap.layout.finish([
                trap.layout.blob("application/vnd.oci.image.manifest.v1+json", Array("{\"a\":\(deep)}".utf8))
            ])
            return trap.layout.path
        },
        HostileArchive("a configuration of a million levels", .refused("nested deeper")) { trap in
            try trap.layout.finish([image(in: trap, configuration: configuration(",\"a\":\(deep)"))])
            return trap.layout.path
        },
        HostileArchive("a configuration of 100 MB", .refused("maximumSize")) { trap in
            let comment = String(repeating: "x", count: 100_000_000)
            try trap.layout.finish([image(in: trap, configuration: configuration(",\"comment\":\"\(comment)\""))])
            return trap.layout.path
        },
        HostileArchive("a manifest of 20,000 layers", .refused("layers")) { trap in
            try trap.layout.finish([image(in: trap, configuration: configuration(), layers: 20_000)])
            return trap.layout.path
        },
        HostileArchive("one name, written in three ways", .loaded(["f = content"])) { trap in
            let entry = try image(in: trap, configuration: configuration())
            try trap.layout.finish(
                ["app:1", "docker.io/app:1", "docker.io/library/app:1"].map {
                    entry.merging(Layout.name($0)) { $1 }
                })
            return trap.layout.path
        },
        HostileArchive("1,000 images of the same index", .loaded(["f = content"])) { trap in
            let image = try image(in: trap, configuration: configuration())
            let index = try trap.layout.index([image])
            try trap.layout.finish(
                (0..<1000).map { index.merging(Layout.name($0 == 0 ? "app:1" : "nothing to see \($0)")) { $1 } })
            return trap.layout.path
        },
    ]

    private static func image(
        in trap: Trap, configuration: [UInt8], layers: Int = 1
    ) throws -> [String: Any] {
        let blob = try trap.layout.blob("application/vnd.oci.image.layer.v1.tar", layer)
        let manifest = try trap.layout.json([
            "schemaVersion": 2, "layers": Array(repeating: blob, count: layers),
            "config": trap.layout.blob("application/vnd.oci.image.config.v1+json", configuration),
        ])
        return try trap.layout.blob("application/vnd.oci.image.manifest.v1+json", manifest, extra: Layout.name("app:1"))
    }

    // MARK: Directories

    @Test(
        "a layout whose files are something else: nothing is followed, nothing hangs",
        arguments: ["index.json", "manifest", "configuration", "layer"], ["link", "fifo", "directory"])
    func directory(part: String, kind: String) throws {
        let reason =
            kind == "link" ? "symbolic links" : part == "index.json" ? "has no index.json" : "does not hold it"
        try HostileArchive("\(part) as a \(kind)", .refused(reason)) { trap in
            let entry = try Self.image(in: trap, configuration: Self.configuration())
            try trap.layout.finish([entry])
            let digest =
                switch part {
                case "manifest": entry["digest"] as? String ?? ""
                case "configuration": Layout.digest(Self.configuration())
                default: Layout.digest(Self.layer)
                }
            let name = part == "index.json" ? part : "blobs/sha256/\(digest.dropFirst(7))"
            let path = "\(trap.layout.path)/\(name)"
            switch kind {
            case "link":
                // The right content, but elsewhere.
                try FileManager.default.moveItem(atPath: path, toPath: trap.outside.path + "/elsewhere")
                try FileManager.default.createSymbolicLink(
                    atPath: path, withDestinationPath: trap.outside.path + "/elsewhere")
            case "fifo":
                try FileManager.default.removeItem(atPath: path)
                try Tool.succeed("mkfifo", path)
            default:
                try FileManager.default.removeItem(atPath: path)
                try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: false)
            }
            return trap.layout.path
        }.check()
    }

    @Test("a layout whose blob is an endless device", .enabled(if: Tool.isRoot, "only root makes devices"))
    func device() throws {
        try HostileArchive("a device", .refused("does not hold it")) { trap in
            try trap.layout.finish([Self.image(in: trap, configuration: Self.configuration())])
            let path = "\(trap.layout.path)/blobs/sha256/\(Layout.digest(Self.layer).dropFirst(7))"
            try FileManager.default.removeItem(atPath: path)
            try Tool.succeed("mknod", path, "c", "1", "5")
            return trap.layout.path
        }.check()
    }
}
