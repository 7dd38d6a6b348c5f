import Glibc
import LinuxSystem
import OCI

/// An image whose parts are ready, about to be published.
public struct NewImage: Sendable {
    /// What the store is to know of it.
    public let record: ImageRecord
    /// The manifest, byte for byte.
    public let manifest: [UInt8]
    /// The configuration, byte for byte.
    public let configuration: [UInt8]
    /// The references that are to name it, and no other image any more.
    public var references: [Reference]

    /// Describes an image. The caller has checked that the documents have the digests of the record.
    public init(record: ImageRecord, manifest: [UInt8], configuration: [UInt8], references: [Reference]) {
        self.record = record
        self.manifest = manifest
        self.configuration = configuration
        self.references = references
    }
}

extension ImageStore {
    /// Whether the store holds the layer now; another process may remove it later.
    public func hasLayer(_ diffID: Digest) -> Bool { FileTree.exists(layout.layer(diffID)) }

    /// Whether the store holds the disk's metadata now; another process may remove it later.
    public func hasDisk(_ chain: Digest) -> Bool { FileTree.exists(layout.disk(chain)) }

    /// The length of the disk metadata of a stack of layers, in the store or in `workspace`; `nil` when it is in neither.
    public func metadataLength(_ chain: Digest, in workspace: Workspace) -> Int64? {
        Self.length(layout.metadata(chain)) ?? Self.length(workspace.layout.metadata(chain))
    }

    /// The length of a layer's data file, in the store or in `workspace`; `nil` when it is in neither.
    public func dataLength(_ diffID: Digest, in workspace: Workspace) -> Int64? {
        Self.length(layout.layerData(diffID)) ?? Self.length(workspace.layout.layerData(diffID))
    }

    /// The index of a layer, from the store or from `workspace`; `nil` when it is in neither.
    /// - Parameter limit: the longest index to read, in bytes.
    public func layerIndex(
        _ diffID: Digest, in workspace: Workspace, limit: Int
    ) throws(ImageStoreError) -> [UInt8]? {
        for path in [workspace.layout.layerIndex(diffID), layout.layerIndex(diffID)] {
            do { return try FileTree.read(path, limit: limit) } catch {
                if error.number != ENOENT { throw .system(error) }
            }
        }
        return nil
    }

    /// Gives an image of the store a further reference, which names no other image any more.
    /// - Returns: `false` when the store has no such image.
    public func add(_ reference: Reference, to digest: Digest) throws(ImageStoreError) -> Bool {
        let lock = try locked(.exclusive)
        defer { withExtendedLifetime(lock) {} }
        guard FileTree.exists(layout.record(digest)) else { return false }
        let workspace = try makeWorkspaceUnderLock()
        try write([reference], to: digest, in: workspace)
        try reporting { () throws(SystemError) in try move(reference, from: workspace.layout) }
        return true
    }

    /// Makes images visible, moving what the store lacks from the workspace.
    ///
    /// All of them appear, or none.
    /// - Returns: the layers that are neither in the store nor in the workspace, since another process removed them
    ///   meanwhile; when there are any, nothing was published.
    public func publish(_ images: [NewImage], from workspace: Workspace) throws(ImageStoreError) -> Set<Digest> {
        let made = workspace.layout
        for image in images { try prepare(image, in: workspace) }

        let lock = try locked(.exclusive)
        defer { withExtendedLifetime(lock) {} }
        var missing: Set<Digest> = []
        for image in images {
            missing.formUnion(image.record.layers.filter { !hasLayer($0) && !FileTree.exists(made.layerIndex($0)) })
            if !hasDisk(image.record.chain) && !FileTree.exists(made.disk(image.record.chain)) {
                missing.formUnion(image.record.layers)
            }
        }
        guard missing.isEmpty else { return missing }
        try workspace.undisturbed { () throws(ImageStoreError) in
            do throws(ImageStoreError) {
                for image in images { try move(image, from: made) }
            } catch {
                // The disk is full, for example: what was moved already belongs to no image.
                try? collectGarbage(into: workspace)
                throw error
            }
        }
        return []
    }

    /// Writes the small files of an image into the workspace.
    private func prepare(_ image: NewImage, in workspace: Workspace) throws(ImageStoreError) {
        let made = workspace.layout
        let record = image.record
        for (digest, bytes) in [(record.digest, image.manifest), (record.configuration, image.configuration)] {
            try workspace.write(bytes, to: made.blob(digest), in: made.blobs(digest.algorithm))
        }
        let encoded: [UInt8]
        do { encoded = try BoundedJSON.encode(record, pretty: true) } catch {
            throw .damaged(made.record(record.digest), reason: "\(error)")
        }
        try workspace.write(encoded, to: made.record(record.digest), in: made.images)
        try write(image.references, to: record.digest, in: workspace)
    }

    private func write(
        _ references: [Reference], to digest: Digest, in workspace: Workspace
    ) throws(ImageStoreError) {
        for path in references.map(workspace.layout.reference) {
            try workspace.write(Array("\(digest)\n".utf8), to: path, in: Self.parent(path))
        }
    }

    private func move(_ reference: Reference, from made: StoreLayout) throws(SystemError) {
        let path = layout.reference(reference)
        try FileTree.makeDirectory(Self.parent(path))
        try FileTree.rename(made.reference(reference), to: path)
    }

    /// Moves an image's parts, the record after all that it needs and the references last.
    private func move(_ image: NewImage, from made: StoreLayout) throws(ImageStoreError) {
        let record = image.record
        var moves = record.layers.map { (made.layer($0), layout.layer($0)) }
        moves.append((made.disk(record.chain), layout.disk(record.chain)))
        moves.append((made.blob(record.configuration), layout.blob(record.configuration)))
        moves.append((made.blob(record.digest), layout.blob(record.digest)))
        moves.append((made.record(record.digest), layout.record(record.digest)))
        try reporting { () throws(SystemError) in
            for (from, to) in moves where !FileTree.exists(to) { try FileTree.rename(from, to: to) }
            for reference in image.references { try move(reference, from: made) }
        }
    }

    private static func parent(_ path: String) -> String {
        String(path[..<(path.lastIndex(of: "/") ?? path.startIndex)])
    }

    private static func length(_ path: String) -> Int64? {
        var status = stat()
        return lstat(path, &status) == 0 ? Int64(status.st_size) : nil
    }
}
