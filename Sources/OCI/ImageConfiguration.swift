/// How an image is run and what it is made of (OCI image specification, "Image Configuration").
///
/// Reading is tolerant of what Docker and others write: fields that are missing or `null`, and a command that is one
/// string instead of an array.
public struct ImageConfiguration: Hashable, Sendable {
    /// What the image runs on; parts may be empty.
    public var platform: Platform
    /// When the image was made, as it was written: a time of RFC 3339.
    public var created: String?
    /// The program and its first arguments.
    public var entrypoint: [String]
    /// Arguments that follow, or the whole command when there is no entrypoint.
    public var command: [String]
    /// Variables, each `NAME=value`.
    public var environment: [String]
    /// User and perhaps group, by name or number; empty for root.
    public var user: String
    /// Where the program starts; empty for `/`.
    public var workingDirectory: String
    /// The signal that asks the program to end, for example `SIGTERM` or `15`.
    public var stopSignal: String?
    /// Labels.
    public var labels: [String: String]
    /// Paths that are meant to be mounted over, sorted.
    public var volumes: [String]
    /// Ports that the program listens on, for example `80/tcp`, sorted.
    public var exposedPorts: [String]
    /// The digests of the uncompressed layers, lowest first.
    public var diffIDs: [Digest]
    /// How the layers came to be.
    public var history: [History]

    /// One step of the image's making.
    public struct History: Hashable, Sendable, Codable {
        /// When, in RFC 3339.
        public var created: String?
        /// The command.
        public var createdBy: String?
        /// A remark.
        public var comment: String?
        /// Whether the step made no layer.
        public var emptyLayer: Bool?

        private enum CodingKeys: String, CodingKey {
            case created, comment
            case createdBy = "created_by"
            case emptyLayer = "empty_layer"
        }
    }

    /// Reads a configuration.
    /// - Throws: ``OCIError/invalidDocument(_:reason:)``.
    public init(decoding bytes: [UInt8], document: String = "image configuration") throws(OCIError) {
        let written = try BoundedJSON.decode(Written.self, from: bytes, document: document)
        if let type = written.rootfs.type, type != "layers" {
            throw .invalidDocument(document, reason: "rootfs is of type \"\(type)\", only \"layers\" is known")
        }
        let run = written.config
        platform = Platform(
            os: written.os ?? "", architecture: written.architecture ?? "", variant: written.variant)
        created = written.created
        entrypoint = run?.entrypoint?.words ?? []
        command = run?.command?.words ?? []
        environment = run?.environment ?? []
        user = run?.user ?? ""
        workingDirectory = run?.workingDirectory ?? ""
        stopSignal = run?.stopSignal.flatMap { $0.isEmpty ? nil : $0 }
        labels = run?.labels ?? [:]
        volumes = (run?.volumes ?? [:]).keys.sorted()
        exposedPorts = (run?.exposedPorts ?? [:]).keys.sorted()
        diffIDs = written.rootfs.diffIDs ?? []
        history = written.history ?? []
    }
}

/// The document as it is written.
private struct Written: Decodable {
    var os, architecture, variant, created: String?
    var config: Run?
    var rootfs: RootFileSystem
    var history: [ImageConfiguration.History]?

    struct RootFileSystem: Decodable {
        var type: String?
        var diffIDs: [Digest]?

        enum CodingKeys: String, CodingKey {
            case type
            case diffIDs = "diff_ids"
        }
    }

    struct Run: Decodable {
        var entrypoint, command: Words?
        var environment: [String]?
        var user, workingDirectory, stopSignal: String?
        var labels: [String: String]?
        var volumes, exposedPorts: [String: Anything]?

        enum CodingKeys: String, CodingKey {
            case entrypoint = "Entrypoint"
            case command = "Cmd"
            case environment = "Env"
            case user = "User"
            case workingDirectory = "WorkingDir"
            case stopSignal = "StopSignal"
            case labels = "Labels"
            case volumes = "Volumes"
            case exposedPorts = "ExposedPorts"
        }
    }

    /// An array of words, or one word.
    struct Words: Decodable {
        var words: [String]

        init(from decoder: any Decoder) throws {
            let value = try decoder.singleValueContainer()
            do { words = try value.decode([String].self) } catch { words = [try value.decode(String.self)] }
        }
    }

    /// A value that is not looked at: the keys are the set.
    struct Anything: Decodable {
        init(from decoder: any Decoder) throws {}
    }
}
