import Crypto
import Foundation
import Testing

/// Writes a directory in OCI layout by hand, so that anything in it can be wrong.
struct Layout {
    let scratch: Scratch
    var path: String { scratch.path }

    init() throws {
        scratch = try Scratch()
        try scratch.write("{\"imageLayoutVersion\":\"1.0.0\"}".utf8, to: "oci-layout")
    }

    static func digest(_ bytes: [UInt8]) -> String {
        "sha256:" + SHA256.hash(data: bytes).map { String(format: "%02x", $0) }.joined()
    }

    /// A tar archive, made by GNU tar, of one file.
    static func tar(_ name: String, _ content: [UInt8]) throws -> [UInt8] {
        let scratch = try Scratch()
        try scratch.write(content, to: name)
        try Tool.succeed("tar", "--sort=name", "-C", scratch.path, "-cf", scratch.path + "/t.tar", name)
        return [UInt8](try Data(contentsOf: URL(fileURLWithPath: scratch.path + "/t.tar")))
    }

    /// What a program makes of these bytes on its standard input.
    static func filter(_ bytes: [UInt8], _ arguments: String...) throws -> [UInt8] {
        let scratch = try Scratch()
        let outcome = try Tool.run(arguments, input: try scratch.write(bytes, to: "input"))
        guard outcome.status == 0 else { throw Tool.Failure(description: "\(arguments): \(outcome.error)") }
        return [UInt8](outcome.output)
    }

    /// A descriptor of a blob that is written.
    func blob(_ type: String, _ bytes: [UInt8], extra: [String: Any] = [:]) throws -> [String: Any] {
        let digest = Self.digest(bytes)
        try scratch.write(bytes, to: "blobs/sha256/\(digest.dropFirst(7))")
        return ["mediaType": type, "digest": digest, "size": bytes.count].merging(extra) { $1 }
    }

    func json(_ value: Any) throws -> [UInt8] {
        [UInt8](try JSONSerialization.data(withJSONObject: value, options: [.sortedKeys, .withoutEscapingSlashes]))
    }

    /// Adds an image; each layer is what is stored and what its diff id says.
    func image(
        _ layers: [(stored: [UInt8], diffID: String)], os: String = "linux", architecture: String = "amd64",
        layerType: String = "application/vnd.oci.image.layer.v1.tar", extra: [String: Any] = [:]
    ) throws -> [String: Any] {
        let configuration: [String: Any] = [
            "os": os, "architecture": architecture, "config": ["Cmd": ["x"]],
            "rootfs": ["type": "layers", "diff_ids": layers.map(\.diffID)],
        ]
        let manifest: [String: Any] = [
            "schemaVersion": 2,
            "config": try blob("application/vnd.oci.image.config.v1+json", json(configuration)),
            "layers": try layers.map { try blob(layerType, $0.stored) },
        ]
        return try blob("application/vnd.oci.image.manifest.v1+json", json(manifest), extra: extra)
    }

    func index(_ manifests: [[String: Any]], extra: [String: Any] = [:]) throws -> [String: Any] {
        try blob(
            "application/vnd.oci.image.index.v1+json", json(["schemaVersion": 2, "manifests": manifests]), extra: extra)
    }

    /// Writes `index.json`.
    func finish(_ manifests: [[String: Any]]) throws {
        try scratch.write(json(["schemaVersion": 2, "manifests": manifests]), to: "index.json")
    }

    /// An image of one layer, stored as `stored`, whose uncompressed content is `tar`.
    static func single(_ stored: [UInt8], diffID: String) throws -> Layout {
        let layout = try Layout()
        try layout.finish([layout.image([(stored, diffID)])])
        return layout
    }

    static func name(_ name: String) -> [String: Any] { ["annotations": ["org.opencontainers.image.ref.name": name]] }
    static func platform(_ os: String, _ architecture: String) -> [String: Any] {
        ["platform": ["os": os, "architecture": architecture]]
    }
}
