import Glibc
import ImageStore
import LinuxSystem
import OCI

/// A layer of an image in the store, to be given out: as its manifest describes it, or as an uncompressed tar archive.
///
/// Each time it is opened, what the store keeps of it is opened anew, so that an image of very many layers needs few
/// descriptors.
public struct LayerSource: Sendable {
    /// The digest of the uncompressed tar archive.
    public let diffID: Digest
    /// What the layer is in the image's manifest: type, digest and size.
    public let descriptor: ContentDescriptor

    private let image: StoredImage

    /// A layer of `image` as the manifest describes it, if what the store keeps of it can be that, and else as it is
    /// kept: the store has each layer once, but images can hold one layer in different compressions.
    init(_ diffID: Digest, of image: StoredImage, wanted: ContentDescriptor) throws(ImageExportError) {
        self.diffID = diffID
        self.image = image
        let isUncompressed = wanted.digest == diffID
        switch try Self.kept(diffID, of: image) {
        case .compressed(_, let kept):
            let isKept = wanted.digest == kept.digest && wanted.size == kept.size
            descriptor = isUncompressed || isKept ? wanted : kept
        case .record(let record, let data):
            let length = try RecordedBytes(record: record, data: data, name: Self.name(diffID)).length
            let isKept = isUncompressed && wanted.size == length
            descriptor = isKept ? wanted : ContentDescriptor(mediaType: .layer, digest: diffID, size: length)
        }
    }

    /// Opens the layer. Blocks.
    /// - Parameter uncompressed: whether the tar archive is wanted; else the bytes are those of ``descriptor``.
    /// - Returns: the bytes; they are checked, and a digest that is wrong is thrown at the end.
    /// - Throws: ``ImageExportError``; ``ImageStoreError/notFound(_:similar:)`` in it when the image was removed.
    public func open(uncompressed: Bool = false) throws(ImageExportError) -> any ByteSource {
        let name = Self.name(diffID)
        let digest = uncompressed ? diffID : descriptor.digest
        let source: any ByteSource =
            switch try Self.kept(diffID, of: image) {
            case .record(let record, let data): try RecordedBytes(record: record, data: data, name: name)
            case .compressed(let file, let kept):
                if kept.digest == digest { FileBytes(file) } else { try DecompressedBytes(file, name: name) }
            }
        return CheckedBytes(source, digest: digest, name: name)
    }

    /// The length in bytes of the tar archive. Of a layer that is kept compressed this takes as long as decompressing it.
    public func uncompressedLength() throws(ImageExportError) -> Int64 {
        if descriptor.digest == diffID { return descriptor.size }
        let name = Self.name(diffID)
        guard case .compressed(let file, _) = try Self.kept(diffID, of: image) else { return descriptor.size }
        let source = try DecompressedBytes(file, name: name)
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 1 << 20, alignment: 64)
        defer { buffer.deallocate() }
        var length: Int64 = 0
        while case let count = try source.read(into: buffer), count > 0 { length += Int64(count) }
        return length
    }

    /// What messages call the layer.
    private static func name(_ diffID: Digest) -> String { "layer \(diffID.short)" }

    private static func kept(_ diffID: Digest, of image: StoredImage) throws(ImageExportError) -> LayerArchive {
        do { return try image.layerArchive(diffID) } catch {
            if case .system(let error) = error, error.number == ENOENT { throw .notKept(diffID) }
            throw .store(error)
        }
    }
}
