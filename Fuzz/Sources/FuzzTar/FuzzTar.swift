import DiskImage
import FuzzInput
import LinuxSystem

/// Turns an archive into a layer, given whole and given in pieces, which must come to the same, and lays the layer over
/// itself.
@c(LLVMFuzzerTestOneInput)
public func fuzzTar(_ bytes: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
    let archive = TarBytes.mended(UnsafeBufferPointer(start: bytes, count: count))
    guard let whole = Layer(archive, step: max(1, archive.count)) else {
        precondition(Layer(archive, step: 97) == nil, "what is refused whole is accepted in pieces")
        return 0
    }
    precondition(whole == Layer(archive, step: 97), "pieces make another layer than the whole")
    do {
        let index = try LayerIndex(decoding: whole.index)
        precondition(
            index.dataLength == Int64(whole.data.count), "the data file has another length than its index says")
        _ = try ImageDisk.write(
            layers: [index, index], to: MemoryFile.make(), limits: ImageLimits(entries: 4096, metadataBytes: 4 << 20))
    } catch DiskImageError.damagedIndex(let reason) {
        fatalError("an index that was just made is called damaged: \(reason)")
    } catch {}  // a hard link to nothing, or an image beyond the limits
    return 0
}

private struct Layer: Equatable {
    let index: [UInt8]
    let data: [UInt8]

    /// `nil` when the archive is refused.
    init?(_ archive: [UInt8], step: Int) {
        let file = MemoryFile.make()
        let limits = LayerLimits(
            entries: 256, dataBytes: 1 << 20, indexBytes: 1 << 20, headerBytes: 1 << 16, sparseSegments: 256)
        var writer = LayerWriter(data: file, limits: limits)
        do {
            try archive.withUnsafeBytes { bytes in
                for start in stride(from: 0, to: bytes.count, by: step) {
                    try writer.consume(UnsafeRawBufferPointer(rebasing: bytes[start..<min(start + step, bytes.count)]))
                }
            }
            index = try writer.finish().encoded
        } catch { return nil }
        data = MemoryFile.contents(of: file)
    }
}
