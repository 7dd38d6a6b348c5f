/// What an image runs on: operating system, architecture and its variant, in Go's names.
public struct Platform: Hashable, Sendable, Codable {
    /// For example `linux`; empty where a document leaves it out.
    public let os: String
    /// For example `amd64`; empty where a document leaves it out.
    public let architecture: String
    /// For example `v8` of `arm64`.
    public let variant: String?

    private enum CodingKeys: String, CodingKey { case os, architecture, variant }

    /// Names a platform; the common other spellings of an architecture are understood.
    public init(os: String, architecture: String, variant: String? = nil) {
        self.os = os
        self.architecture =
            switch architecture {
            case "x86_64", "x86-64": "amd64"
            case "aarch64": "arm64"
            default: architecture
            }
        self.variant = variant == "" ? nil : variant
    }

    /// Reads a platform as it stands in an index.
    public init(from decoder: any Decoder) throws {
        let fields = try decoder.container(keyedBy: CodingKeys.self)
        self.init(
            os: try fields.decodeIfPresent(String.self, forKey: .os) ?? "",
            architecture: try fields.decodeIfPresent(String.self, forKey: .architecture) ?? "",
            variant: try fields.decodeIfPresent(String.self, forKey: .variant))
    }

    #if arch(arm64)
        /// What machines on this host run.
        public static let host = Platform(os: "linux", architecture: "arm64")
    #else
        /// What machines on this host run.
        public static let host = Platform(os: "linux", architecture: "amd64")
    #endif

    /// How well a machine of this platform runs images for `other`: 0 is best, `nil` is not at all.
    ///
    /// Images for the architecture's baseline come first, since they run everywhere.
    public func rank(of other: Platform) -> Int? {
        guard other.os == os, other.architecture == architecture else { return nil }
        let order: [String] =
            switch architecture {
            case "amd64": ["v1", "v2", "v3"]
            case "arm64": ["v8", "8"]
            default: []
            }
        guard let variant = other.variant else { return 0 }
        return variant == self.variant ? 0 : order.firstIndex(of: variant)
    }
}

extension Platform: CustomStringConvertible {
    /// For example `linux/arm64/v8`.
    public var description: String { ([os, architecture] + (variant.map { [$0] } ?? [])).joined(separator: "/") }
}
