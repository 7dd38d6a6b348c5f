import Foundation
import ImageStore
import LinuxSystem
import OCI
import Testing

/// A store of its own for one test, and images made of nothing but their parts' names.
final class StoreFixture {
    let home: String
    let store: ImageStore

    init() throws {
        home = FileManager.default.temporaryDirectory.path + "/sandpiper-store-\(UUID().uuidString)"
        store = try ImageStore(home: home)
    }

    deinit { try? FileManager.default.removeItem(atPath: home) }

    /// The digest that begins with these digits.
    static func digest(_ beginning: String) throws -> Digest {
        try Digest("sha256:" + beginning + String(repeating: "0", count: 64 - beginning.count))
    }

    /// Puts a layer into a workspace; its data is `data`.
    func addLayer(_ beginning: String, data: String, to workspace: Workspace) throws {
        let diffID = try Self.digest(beginning)
        try workspace.makeLayerData(diffID).write(Array(data.utf8))
        try workspace.writeLayerIndex(Array("index of \(beginning)".utf8), of: diffID)
    }

    /// Describes an image; its chain is named after its layers.
    func image(_ beginning: String, layers: [String], names: [String] = []) throws -> NewImage {
        let record = ImageRecord(
            digest: try Self.digest(beginning), mediaType: .manifest, configuration: try Self.digest("c0" + beginning),
            layers: try layers.map(Self.digest), chain: try Self.digest("cc" + layers.joined()), platform: .host,
            created: "2024-01-01T00:00:00Z", size: 1)
        let configuration = "{\"config\":{\"Cmd\":[\"\(beginning)\"]},\"rootfs\":{\"diff_ids\":[]}}"
        return NewImage(
            record: record, manifest: Array("{}".utf8), configuration: Array(configuration.utf8),
            references: try names.map { try Reference($0) })
    }

    /// Publishes an image with all its parts; the data of each layer is its name.
    @discardableResult
    func publish(_ beginning: String, layers: [String], names: [String] = []) throws -> NewImage {
        let workspace = try store.makeWorkspace()
        for layer in layers { try addLayer(layer, data: layer, to: workspace) }
        let image = try image(beginning, layers: layers, names: names)
        try workspace.makeMetadata(image.record.chain).write(Array("metadata".utf8))
        #expect(try store.publish([image], from: workspace).isEmpty)
        return image
    }

    /// All files of the store, relative to it, except for its lock.
    func files() throws -> Set<String> {
        let root = home + "/store"
        var files: Set<String> = []
        let enumerator = try #require(FileManager.default.enumerator(atPath: root))
        while let name = enumerator.nextObject() as? String {
            var isDirectory: ObjCBool = false
            _ = FileManager.default.fileExists(atPath: "\(root)/\(name)", isDirectory: &isDirectory)
            if !isDirectory.boolValue, name != "lock" { files.insert(name) }
        }
        return files
    }
}

extension Descriptor {
    /// The whole file as text, from its start.
    func text() throws -> String {
        var buffer = [UInt8](repeating: 0, count: 4096)
        let count = try buffer.withUnsafeMutableBytes { try read(into: $0, at: 0) }
        return String(decoding: buffer[..<count], as: UTF8.self)
    }
}
