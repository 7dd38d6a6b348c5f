import DiskImage
import ImageStore
import LinuxSystem
import OCI

/// Brings one layer of an archive into a workspace, checking all its digests.
///
/// Two threads share the work: the calling one reads, hashes and decompresses the blob; the other hashes what comes out
/// and unpacks it.
struct LayerImport: Sendable {
    let layer: ArchivedLayer
    /// `nil` when the layer is read only for its checks and its size.
    let workspace: Workspace?
    let limits: ImportLimits
    let cancellation: Cancellation

    /// Does it.
    /// - Returns: the length of the uncompressed tar archive.
    func run() throws(ImageImportError) -> Int64 {
        let ring = ChunkRing()
        let unpacking = try reporting { () throws(SystemError) in
            try Completion {
                let result = Result { () throws(ImageImportError) in try unpack(ring) }
                // The other thread must not wait for room for ever.
                if case .failure = result { ring.close() }
                return result
            }
        }
        let length = Result { () throws(ImageImportError) in try decompress(into: ring) }
        if case .success = length { ring.finish() } else { ring.close() }
        // Whoever failed first has stopped the other, which then says only that it was stopped.
        if case .failure(let error) = unpacking.wait(), error != .cancelled { throw error }
        return try length.get()
    }

    /// Fills the ring with the uncompressed layer, then checks the blob.
    private func decompress(into ring: ChunkRing) throws(ImageImportError) -> Int64 {
        // The two digests of a layer that is not compressed are one, and the other thread checks that.
        let wanted = layer.descriptor.flatMap { $0.digest == layer.diffID ? nil : $0.digest }
        let input = ByteInput(layer.region, hashing: wanted?.algorithm, cancellation: cancellation)
        let compression = try Compression(detecting: input.peek(Compression.prefixLength), of: layer.region.name)
        let source = try compression.decompress(input, limits)
        var length: Int64 = 0
        while true {
            guard let buffer = ring.nextFree() else { throw .cancelled }
            var count = 0
            while count < buffer.count {
                let read = try source.read(into: UnsafeMutableRawBufferPointer(rebasing: buffer[count...]))
                if read == 0 { break }
                count += read
            }
            length += Int64(count)
            guard length <= limits.layerBytes else {
                throw .limit("layer \(layer.diffID.short)", name: "layerBytes", value: "\(limits.layerBytes)")
            }
            if count > 0 { ring.commit(count) }
            if count < buffer.count { break }
        }
        if let wanted, let found = input.digest, found != wanted {
            throw .mismatch(layer.region.name, expected: "\(wanted)", found: "\(found)")
        }
        return length
    }

    /// Empties the ring into the workspace, then checks the diff id.
    private func unpack(_ ring: ChunkRing) throws(ImageImportError) {
        guard let workspace else {
            return try hash(ring) { _ throws(DiskImageError) in }
        }
        let data = try reporting { () throws(ImageStoreError) in try workspace.makeLayerData(layer.diffID) }
        var writer = LayerWriter(data: data, limits: limits.layer)
        try hash(ring) { bytes throws(DiskImageError) in try writer.consume(bytes) }
        let index: LayerIndex
        do { index = try writer.finish() } catch { throw .layer(layer.diffID, error) }
        try reporting { () throws(SystemError) in try data.synchronize() }
        try reporting { () throws(ImageStoreError) in try workspace.writeLayerIndex(index.encoded, of: layer.diffID) }
    }

    private func hash(
        _ ring: ChunkRing, _ body: (UnsafeRawBufferPointer) throws(DiskImageError) -> Void
    ) throws(ImageImportError) {
        var hasher = ContentHasher(layer.diffID.algorithm)
        while let bytes = ring.nextFilled() {
            hasher.update(bytes)
            do { try body(bytes) } catch { throw .layer(layer.diffID, error) }
            ring.release()
        }
        guard ring.finished else { throw .cancelled }
        let found = hasher.finish()
        guard found == layer.diffID else {
            throw .mismatch(
                "layer \(layer.region.name)", expected: "diff id \(layer.diffID)", found: "\(found)")
        }
    }
}
