import Foundation
import OCI

/// One image, made of Debian's static busybox by umoci in three layers, in all the shapes that Debian's tools write.
final class RealImages: Sendable {
    static let shared = Result { try RealImages() }

    private let scratch: Scratch
    /// The directory in OCI layout that umoci made, with the tag `t`.
    var layout: String { scratch.path + "/layout" }

    private init() throws {
        scratch = try Scratch()
        let layout = scratch.path + "/layout"
        try Tool.succeed("umoci", "init", "--layout", layout)
        try Tool.succeed("umoci", "new", "--image", layout + ":t")
        let tree = try Scratch()
        try tree.write("one\n".utf8, to: "etc/one")
        try tree.write("two\n".utf8, to: "etc/two")
        // A copy, since without root umoci changes the mode of the directory it reads from for a moment.
        try tree.write(Data(contentsOf: URL(fileURLWithPath: "/bin/busybox")), to: "bin/busybox")
        let rootless = Tool.isRoot ? [] : ["--rootless"]
        func umoci(_ arguments: String...) throws {
            let outcome = try Tool.run(["umoci"] + arguments)
            guard outcome.status == 0 else { throw Tool.Failure(description: "umoci: \(outcome.error)") }
        }
        for insertion in [
            [tree.path + "/bin", "/bin"], [tree.path + "/etc", "/etc"], ["--whiteout", "/etc/two"],
        ] {
            let outcome = try Tool.run(["umoci", "insert"] + rootless + ["--image", layout + ":t"] + insertion)
            guard outcome.status == 0 else { throw Tool.Failure(description: "umoci insert: \(outcome.error)") }
        }
        try umoci(
            "config", "--image", layout + ":t", "--config.entrypoint", "/bin/busybox", "--config.cmd", "echo",
            "--config.cmd", "hello world", "--config.env", "PATH=/bin", "--config.user", "7:8", "--config.workingdir",
            "/etc", "--config.label", "a=b", "--config.stopsignal", "SIGINT", "--config.exposedports", "80/tcp")
        try Tool.succeed(
            "skopeo", "copy", "-q", "oci:\(layout):t", "docker-archive:\(scratch.path)/docker.tar:busybox:1")
        try Tool.succeed(
            "skopeo", "copy", "-q", "oci:\(layout):t", "oci-archive:\(scratch.path)/oci.tar:localhost:5000/a/busybox:2")
        try Tool.succeed("gzip", "-k", scratch.path + "/docker.tar")
        try Tool.succeed("zstd", "-q", scratch.path + "/docker.tar")
        try Tool.succeed("gzip", "-k", scratch.path + "/oci.tar")
        try Tool.succeed("zstd", "-q", scratch.path + "/oci.tar")
    }

    /// `skopeo copy … docker-archive:`, name `busybox:1`.
    var docker: String { scratch.path + "/docker.tar" }
    /// `skopeo copy … oci-archive:`, name `localhost:5000/a/busybox:2`.
    var oci: String { scratch.path + "/oci.tar" }

    /// The digest of the manifest, as skopeo tells it.
    func manifestDigest() throws -> String {
        try Tool.succeed("skopeo", "inspect", "--format", "{{.Digest}}", "oci:\(layout):t")
    }

    /// The digests of the uncompressed layers, as skopeo tells them.
    func diffIDs() throws -> [String] {
        struct Configuration: Decodable {
            struct RootFileSystem: Decodable { let diff_ids: [String] }
            let rootfs: RootFileSystem
        }
        let text = try Tool.succeed("skopeo", "inspect", "--config", "--raw", "oci:\(layout):t")
        return try JSONDecoder().decode(Configuration.self, from: Data(text.utf8)).rootfs.diff_ids
    }
}
