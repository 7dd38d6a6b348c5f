import LinuxSystem
import OCI

/// An image of the store as it was when it was looked up.
public struct StoredImage: Sendable {
    /// What the store knows of it.
    public let record: ImageRecord
    /// The references that name it, sorted; none for an image known by its digest alone.
    public let references: [Reference]
    let layout: StoreLayout

    /// The digest of the manifest: the image's identity.
    public var digest: Digest { record.digest }

    /// What to show the image as: its first reference, or the digest.
    public var name: String { references.first?.familiar ?? digest.description }

    /// How the image is run.
    public var configuration: ImageConfiguration {
        get throws(ImageStoreError) {
            let bytes = try configurationBytes
            do { return try ImageConfiguration(decoding: bytes) } catch {
                throw .damaged(layout.blob(record.configuration), reason: "\(error)")
            }
        }
    }

    /// One of the files that, one after the other, make the image's disk.
    public struct DiskPart: Sendable {
        /// The file, open for reading.
        public let file: Descriptor
        /// Its length in bytes, a multiple of 4096.
        public let length: Int64
    }

    /// Opens the image's disk: the metadata, then the data of each layer, lowest first; empty files are left out.
    ///
    /// The files stay readable when the image is removed afterwards.
    /// - Throws: ``ImageStoreError/notFound(_:similar:)`` when the image was removed since it was looked up.
    public func openDisk() throws(ImageStoreError) -> [DiskPart] {
        let lock = try reporting { () throws(SystemError) in try FileLock.wait(layout.lock, .shared) }
        defer { withExtendedLifetime(lock) {} }
        guard FileTree.exists(layout.record(digest)) else { throw .notFound(name, similar: []) }
        var parts: [DiskPart] = []
        for path in [layout.metadata(record.chain)] + record.layers.map(layout.layerData) {
            let part = try reporting { () throws(SystemError) in
                let file = try Descriptor(opening: path)
                return DiskPart(file: file, length: Int64(try file.status().st_size))
            }
            if part.length > 0 { parts.append(part) }
        }
        return parts
    }
}

extension StoredImage {
    /// How many bytes of data one of the image's layers has; 0 when it was removed meanwhile.
    public func size(of layer: Digest) -> Int64 {
        (try? Int64(Descriptor(opening: layout.layerData(layer)).status().st_size)) ?? 0
    }
}
