/// A list of images, usually one for each platform.
///
/// OCI image specification, "Image Index", and Docker's "Manifest List".
public struct Index: Hashable, Sendable, Codable {
    /// Always 2.
    public let schemaVersion: Int
    /// What the document says it is.
    public let mediaType: MediaType?
    /// Images or further indexes.
    public let manifests: [ContentDescriptor]

    /// How many entries an index may have.
    public static let maximumEntries = 4096
    /// How deeply indexes may lie in indexes, for whoever follows them.
    public static let maximumNesting = 4

    /// Makes an OCI index.
    public init(manifests: [ContentDescriptor]) {
        schemaVersion = 2
        mediaType = .index
        self.manifests = manifests
    }

    /// Reads an index.
    /// - Throws: ``OCIError/invalidDocument(_:reason:)``.
    public init(decoding bytes: [UInt8], document: String = "image index") throws(OCIError) {
        func refuse(_ reason: String) -> OCIError { .invalidDocument(document, reason: reason) }
        let index = try BoundedJSON.decode(Index.self, from: bytes, document: document)
        guard index.schemaVersion == 2 else {
            throw refuse("schema version \(index.schemaVersion) is not supported, only 2")
        }
        if let type = index.mediaType, type.kind != .index { throw refuse("it says it is \(type.rawValue)") }
        guard index.manifests.count <= Self.maximumEntries else {
            throw refuse("it has more than \(Self.maximumEntries) entries")
        }
        self = index
    }

    /// The best entry for machines of `platform`: one that says it runs there before one that says nothing; of equally
    /// good ones the first.
    /// - Throws: ``OCIError/noPlatform(_:offered:)``.
    public func choose(_ platform: Platform) throws(OCIError) -> ContentDescriptor {
        let ranked = manifests.compactMap { entry -> (rank: Int, entry: ContentDescriptor)? in
            guard entry.mediaType.kind == .manifest || entry.mediaType.kind == .index else { return nil }
            guard let offered = entry.platform else { return (Int.max, entry) }
            return platform.rank(of: offered).map { ($0, entry) }
        }
        guard let best = ranked.min(by: { $0.rank < $1.rank }) else {
            throw .noPlatform(platform, offered: manifests.compactMap(\.platform))
        }
        return best.entry
    }
}
