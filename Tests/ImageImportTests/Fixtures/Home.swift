import Foundation
import ImageImport
import ImageStore
import OCI
import Testing

/// A store of its own for one test.
final class Home: Sendable {
    let scratch: Scratch
    let store: ImageStore

    init() throws {
        scratch = try Scratch()
        store = try ImageStore(home: scratch.path)
    }

    /// Loads an archive in this process.
    @discardableResult
    func load(_ path: String, as name: String? = nil, limits: ImportLimits = ImportLimits()) throws -> [ImportedImage] {
        let workspace = try store.makeWorkspace()
        defer { workspace.discard() }
        return try ImageImporter(store: store, limits: limits).load(
            .path(path), in: workspace, as: name.map { try Reference($0) })
    }

    /// Runs the program on this store.
    func run(_ arguments: String..., input: String? = nil) throws -> Tool.Outcome {
        try Tool.run([Tool.image] + arguments, input: input, environment: environment)
    }

    var environment: [String: String] { ["SANDPIPER_HOME": scratch.path] }

    /// All files of the store with their sizes, except for its lock.
    func files() throws -> [String: Int] {
        let root = scratch.path + "/store"
        var files: [String: Int] = [:]
        for name in try FileManager.default.subpathsOfDirectory(atPath: root) where name != "lock" {
            let attributes = try FileManager.default.attributesOfItem(atPath: "\(root)/\(name)")
            if attributes[.type] as? FileAttributeType != .typeDirectory { files[name] = attributes[.size] as? Int }
        }
        return files
    }

    /// Joins an image's disk in one file and has `fsck.erofs` extract it.
    /// - Returns: the directory that holds the image's files.
    func extract(_ image: String) throws -> Scratch {
        let result = try Scratch()
        let disk = result.path + "/disk"
        try Data().write(to: URL(fileURLWithPath: disk))
        let joined = try FileHandle(forWritingTo: URL(fileURLWithPath: disk))
        for part in try store.resolve(image).openDisk() {
            let file = FileHandle(fileDescriptor: part.file.rawValue, closeOnDealloc: false)
            let data = try file.readToEnd() ?? Data()
            #expect(Int64(data.count) == part.length)
            joined.write(data)
        }
        try Tool.succeed("fsck.erofs", "--extract=\(result.path)/root", "--no-preserve-owner", disk)
        return result
    }

    /// Fails unless every image of the store can be opened and passes `fsck.erofs`, and nothing half-made lies about.
    func checkWhole() throws {
        try store.sweep()
        for image in try store.images() {
            _ = try image.configuration
            _ = try extract(image.digest.description)
        }
        #expect(try FileManager.default.contentsOfDirectory(atPath: scratch.path + "/store/tmp").isEmpty)
    }
}
