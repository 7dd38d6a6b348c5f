import LinuxSystem
import OCI

/// What the store keeps of a layer to give it out again as it came.
public enum LayerArchive: Sendable {
    /// The layer, compressed, and what it is.
    case compressed(Descriptor, ContentDescriptor)
    /// The record of an uncompressed layer's tar archive, and the layer's data file.
    case record(Descriptor, data: Descriptor)
}

extension StoredImage {
    /// Opens what is kept of one of the image's layers. It stays readable when the image is removed afterwards.
    /// - Throws: ``ImageStoreError/notFound(_:similar:)`` when the image was removed since it was looked up.
    public func layerArchive(_ diffID: Digest) throws(ImageStoreError) -> LayerArchive {
        let lock = try reporting { () throws(SystemError) in try FileLock.wait(layout.lock, .shared) }
        defer { withExtendedLifetime(lock) {} }
        guard FileTree.exists(layout.record(digest)) else { throw .notFound(name, similar: []) }
        let description = layout.layerArchiveDescriptor(diffID)
        guard FileTree.exists(description) else {
            return try reporting { () throws(SystemError) in
                .record(
                    try Descriptor(opening: layout.layerRecord(diffID)),
                    data: try Descriptor(opening: layout.layerData(diffID)))
            }
        }
        let (file, bytes) = try reporting { () throws(SystemError) in
            (try Descriptor(opening: layout.layerArchive(diffID)), try FileTree.read(description, limit: 65_536))
        }
        do {
            return .compressed(
                file, try BoundedJSON.decode(ContentDescriptor.self, from: bytes, document: "archive.json"))
        } catch { throw .damaged(description, reason: "\(error)") }
    }

    /// The manifest, byte for byte.
    public var manifest: [UInt8] {
        get throws(ImageStoreError) { try document(record.digest) }
    }

    /// The configuration, byte for byte.
    public var configurationBytes: [UInt8] {
        get throws(ImageStoreError) { try document(record.configuration) }
    }

    func document(_ digest: Digest) throws(ImageStoreError) -> [UInt8] {
        let path = layout.blob(digest)
        guard FileTree.exists(path) else { throw .notFound(name, similar: []) }
        return try reporting { () throws(SystemError) in try FileTree.read(path, limit: BoundedJSON.maximumSize) }
    }
}
