import DiskImage
import Glibc
import Hashing
import ImageExport
import ImageStore
import LinuxSystem
import OCI
import Testing

/// A store with images that are made by hand.
final class TestStore: Sendable {
    let scratch: Scratch
    let store: ImageStore

    init() throws {
        scratch = try Scratch()
        store = try ImageStore(home: scratch.path + "/home")
    }

    /// How a layer is kept.
    enum Form: String { case plain, gzip, zstd }

    struct Layer {
        let tar: [UInt8]
        let stored: [UInt8]
        let form: Form

        var diffID: Digest { .of(tar) }
        var descriptor: ContentDescriptor {
            let type: MediaType =
                switch form {
                case .plain: .layer
                case .gzip: .gzipLayer
                case .zstd: .zstdLayer
                }
            return ContentDescriptor(mediaType: type, digest: .of(stored), size: Int64(stored.count))
        }
    }

    /// A layer with one file, packed by GNU tar, and compressed by the program named as the form.
    func layer(_ name: String, _ content: String, _ form: Form) throws -> Layer {
        try scratch.write(Array(content.utf8), to: name)
        try scratch.shell(
            """
            tar --owner=0 --group=0 --mtime=@0 --mode=0644 -cf layer.tar \(name); cp layer.tar layer.plain
            gzip -kn layer.tar; mv layer.tar.gz layer.gzip; zstd -q layer.tar -o layer.zstd
            """)
        defer { _ = try? scratch.shell("rm layer.* \(name)") }
        return Layer(tar: try scratch.read("layer.tar"), stored: try scratch.read("layer.\(form.rawValue)"), form: form)
    }

    /// Publishes an image.
    /// - Parameter described: the descriptors in the manifest, where they are not those of the layers as kept.
    func add(
        _ names: String..., layers: [Layer], command: String = "x", described: [ContentDescriptor]? = nil,
        docker: Bool = false
    ) throws -> StoredImage {
        let diffIDs = layers.map { "\"\($0.diffID)\"" }.joined(separator: ",")
        let configuration = Array(
            """
            {"architecture":"amd64","os":"linux","config":{"Cmd":["\(command)"]},\
            "rootfs":{"type":"layers","diff_ids":[\(diffIDs)]}}
            """.utf8)
        let list = (described ?? layers.map(\.descriptor)).map { layer in
            """
            {"mediaType":"\(layer.mediaType.rawValue)","digest":"\(layer.digest)","size":\(layer.size)}
            """
        }
        let (manifestType, configurationType) =
            docker
            ? (
                "application/vnd.docker.distribution.manifest.v2+json",
                "application/vnd.docker.container.image.v1+json"
            )
            : (MediaType.manifest.rawValue, MediaType.configuration.rawValue)
        // With spaces that no encoder writes, so that it comes out again only byte for byte.
        let manifest = Array(
            """
            {  "schemaVersion": 2, "mediaType": "\(manifestType)", "config": {"mediaType": "\(configurationType)",
            "digest": "\(Digest.of(configuration))", "size": \(configuration.count)},
            "layers": [\(list.joined(separator: ","))], "annotations": {"a": "b"}}
            """.utf8)
        let workspace = try store.makeWorkspace()
        var indexes: [LayerIndex] = []
        for layer in layers { indexes.append(try unpack(layer, in: workspace)) }
        let chain = try #require(Digest.chain(of: layers.map(\.diffID)))
        let size = try ImageDisk.write(layers: indexes, to: workspace.makeMetadata(chain))
        let record = ImageRecord(
            digest: .of(manifest), mediaType: MediaType(rawValue: manifestType), configuration: .of(configuration),
            layers: layers.map(\.diffID), chain: chain, platform: Platform(os: "linux", architecture: "amd64"),
            created: nil, size: size)
        let missing = try store.publish(
            [
                NewImage(
                    record: record, manifest: manifest, configuration: configuration,
                    references: try names.map { try Reference($0) })
            ], from: workspace)
        guard missing.isEmpty else { throw SystemError("publish", number: ENOENT) }
        return try store.resolve(record.digest.description)
    }

    private func unpack(_ layer: Layer, in workspace: Workspace) throws -> LayerIndex {
        let data = try workspace.makeLayerData(layer.diffID)
        var writer: LayerWriter
        if layer.form == .plain {
            writer = try LayerWriter(data: data, record: workspace.makeLayerRecord(layer.diffID))
        } else {
            writer = LayerWriter(data: data)
            try workspace.makeLayerArchive(layer.diffID).write(layer.stored)
            try workspace.finishLayerArchive(layer.descriptor, of: layer.diffID)
        }
        try layer.tar.withUnsafeBytes { try writer.consume($0) }
        let index = try writer.finish()
        try workspace.writeLayerIndex(index.encoded, of: layer.diffID)
        return index
    }

    /// The path of a file of a layer in the store.
    func path(_ layer: Layer, _ file: String) -> String {
        "\(scratch.path)/home/store/layers/\(layer.diffID.hex)/\(file)"
    }
}

extension ImageArchive {
    /// Saves images under all their names, or under none, in a file of a scratch directory.
    func save(_ images: [StoredImage], _ name: String, in scratch: Scratch) throws {
        try save(
            images.map { try OutgoingImage($0, names: $0.references) }, to: .file("\(scratch.path)/\(name)"))
    }
}
