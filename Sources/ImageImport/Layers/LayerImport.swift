import Compression
import DiskImage
import Hashing
import ImageStore
import LinuxSystem
import OCI

/// Brings one layer into a workspace, checking all its digests.
///
/// Two threads share the work: the calling one reads, hashes and decompresses the stored bytes; the other hashes what
/// comes out and unpacks it. Of a layer that is compressed the stored bytes are kept, of any other a record of its tar
/// archive, so that it can be given out again as it came.
struct LayerImport: Sendable {
    let layer: IncomingLayer
    /// `nil` when the layer is read only for its checks and its size.
    let workspace: Workspace?
    let limits: ImportLimits
    let cancellation: Cancellation

    /// Does it.
    /// - Returns: the length of the uncompressed tar archive.
    func run() throws(ImageImportError) -> Int64 {
        let compression = try reporting { () throws(CompressionError) in
            let input = layer.content.input(cancellation)
            return try Compression(detecting: input.peek(Compression.prefixLength), of: layer.content.name)
        }
        if workspace == nil, compression == .none, case .region(let region) = layer.content { return region.length }
        let ring = ChunkRing()
        let unpacking = try reporting { () throws(SystemError) in
            try Completion {
                let result = Result { () throws(ImageImportError) in try unpack(ring, recording: compression == .none) }
                // The other thread must not wait for room for ever.
                if case .failure = result { ring.close() }
                return result
            }
        }
        let length = Result { () throws(ImageImportError) in try read(compression, into: ring) }
        if case .success = length { ring.finish() } else { ring.close() }
        // Whoever failed first has stopped the other, which then says only that it was stopped.
        switch unpacking.wait() {
        case .success, .failure(.cancelled): return try length.get()
        case .failure(let error): throw error
        }
    }

    /// Fills the ring with the uncompressed layer, then checks the stored bytes.
    private func read(_ compression: Compression, into ring: ChunkRing) throws(ImageImportError) -> Int64 {
        // The two digests of a layer that is not compressed are one, and the other thread checks that.
        var hasher = compression == .none ? nil : ContentHasher(layer.descriptor?.digest.algorithm ?? .sha256)
        let archive = try keptArchive(compression)
        var stored: Int64 = 0
        let input = layer.content.input(cancellation) { bytes throws(CompressionError) in
            hasher?.update(bytes)
            stored += Int64(bytes.count)
            do throws(SystemError) { try archive?.write(bytes) } catch { throw .system(error) }
        }
        let length = try reporting { () throws(CompressionError) in
            try compression.decompress(input, windowLog: limits.zstdWindowLog)
        }.drain(into: ring, upTo: limits.layerBytes, of: "layer \(layer.diffID.short)")
        if let size = layer.descriptor?.size, size != stored {
            throw .mismatch(layer.content.name, expected: "\(size) bytes", found: "\(stored)")
        }
        if let workspace, compression == .none, case .download = layer.content {
            try reporting { () throws(ImageStoreError) in try workspace.removeLayerArchive(layer.diffID) }
        }
        if let found = hasher?.finish() {
            if let wanted = layer.descriptor?.digest, found != wanted {
                throw .mismatch(layer.content.name, expected: "\(wanted)", found: "\(found)")
            }
            try reporting { () throws(ImageStoreError) in
                let kept = ContentDescriptor(mediaType: compression.layerType, digest: found, size: stored)
                try workspace?.finishLayerArchive(kept, of: layer.diffID)
            }
        }
        return length
    }

    /// The file that keeps the stored bytes as they are read; `nil` when they are not kept, or are in their file already.
    private func keptArchive(_ compression: Compression) throws(ImageImportError) -> Descriptor? {
        guard compression != .none, let workspace, case .region = layer.content else { return nil }
        return try reporting { () throws(ImageStoreError) in try workspace.makeLayerArchive(layer.diffID) }
    }

    /// Empties the ring into the workspace, then checks the diff id.
    private func unpack(_ ring: ChunkRing, recording: Bool) throws(ImageImportError) {
        guard let workspace else {
            return try hash(ring) { _ throws(DiskImageError) in }
        }
        let data = try reporting { () throws(ImageStoreError) in try workspace.makeLayerData(layer.diffID) }
        var writer = try makeWriter(data, recording: recording, in: workspace)
        try hash(ring) { bytes throws(DiskImageError) in try writer.consume(bytes) }
        let index: LayerIndex
        do { index = try writer.finish() } catch { throw .layer(layer.diffID, error) }
        try reporting { () throws(SystemError) in try data.synchronize() }
        try reporting { () throws(ImageStoreError) in try workspace.writeLayerIndex(index.encoded, of: layer.diffID) }
    }

    private func makeWriter(
        _ data: Descriptor, recording: Bool, in workspace: Workspace
    ) throws(ImageImportError) -> LayerWriter {
        guard recording else { return LayerWriter(data: data, limits: limits.layer) }
        let record = try reporting { () throws(ImageStoreError) in try workspace.makeLayerRecord(layer.diffID) }
        do { return try LayerWriter(data: data, record: record, limits: limits.layer) } catch {
            throw .layer(layer.diffID, error)
        }
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
            throw .mismatch(layer.content.name, expected: "diff id \(layer.diffID)", found: "\(found)")
        }
    }
}

extension Decompressor {
    /// Fills the buffers of a ring until the end.
    /// - Returns: how many bytes went through.
    fileprivate func drain(
        into ring: ChunkRing, upTo limit: Int64, of what: String
    ) throws(ImageImportError) -> Int64 {
        var length: Int64 = 0
        while true {
            guard let buffer = ring.nextFree() else { throw .cancelled }
            var count = 0
            while count < buffer.count {
                let read = try reporting { () throws(CompressionError) in
                    try self.read(into: UnsafeMutableRawBufferPointer(rebasing: buffer[count...]))
                }
                if read == 0 { break }
                count += read
            }
            length += Int64(count)
            guard length <= limit else { throw .limit(what, name: "layerBytes", value: "\(limit)") }
            if count > 0 { ring.commit(count) }
            if count < buffer.count { return length }
        }
    }
}

extension Compression {
    /// What a layer that is compressed like this is called.
    fileprivate var layerType: MediaType {
        switch self {
        case .none: .layer
        case .gzip: .gzipLayer
        case .zstd: .zstdLayer
        }
    }
}
