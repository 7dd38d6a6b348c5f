import ArgumentParser
import Glibc
import ImageExport
import ImageStore
import LinuxSystem
import OCI

struct SaveCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "save",
        abstract: "Write images to an archive that docker, skopeo, podman and umoci understand.",
        discussion: """
            An OCI archive holds layers as they came, so that images keep their digests; a docker archive holds them \
            uncompressed. Layers that images share are in the archive once.
            """)

    @Option(
        name: .shortAndLong,
        help: ArgumentHelp("Write to this file, or with --format oci-dir this directory.", valueName: "path"))
    var output = "-"

    @Option(help: "docker-archive, oci-archive or oci-dir.")
    var format = Format.docker

    @Argument(help: ArgumentHelp("References, or beginnings of digests.", valueName: "image"))
    var images: [String]

    enum Format: String, ExpressibleByArgument, CaseIterable {
        case docker = "docker-archive"
        case oci = "oci-archive"
        case directory = "oci-dir"
    }

    func run() throws {
        let store = try openStore()
        let target = try self.target()
        defer { target.discard() }
        try Interruption.handle { end in
            target.discard()
            end()
        }
        do {
            try (format == .docker ? ImageArchive.docker : .oci).save(try outgoing(from: store), to: target)
        } catch let error as ImageExportError {
            if case .system(let error) = error, error.number == EPIPE {
                throw UserError("save: whoever reads went away")
            }
            throw UserError("save: \(error)")
        }
    }

    private func target() throws -> ArchiveTarget {
        guard output == "-" else { return try format == .directory ? .directory(output) : .file(output) }
        guard format != .directory else { throw UserError("save: a directory needs a place; name one with --output") }
        guard isatty(STDOUT_FILENO) == 0 else {
            throw UserError("save: standard output is a terminal; name a file with --output or redirect it")
        }
        signal(SIGPIPE, SIG_IGN)
        return .stream(try Descriptor(duplicating: STDOUT_FILENO))
    }

    /// The images, each once, with the names by which they were asked for, or all of theirs if by a digest.
    private func outgoing(from store: ImageStore) throws -> [OutgoingImage] {
        var names: [Digest: [Reference]] = [:]
        var found: [StoredImage] = []
        for text in images {
            let image = try store.resolve(text)
            if names[image.digest] == nil { found.append(image) }
            let asked = (try? Reference(text)).flatMap { image.references.contains($0) ? [$0] : nil }
            names[image.digest, default: []] += asked ?? image.references
        }
        return try found.map { image in
            var seen: Set<Reference> = []
            return try OutgoingImage(image, names: names[image.digest, default: []].filter { seen.insert($0).inserted })
        }
    }
}
