import DiskImage
import FuzzInput
import LinuxSystem

/// Turns an archive into a layer, given whole and given in pieces, which must come to the same; gets the archive back from
/// the layer's record; and lays the layer over itself.
@c(LLVMFuzzerTestOneInput)
public func fuzzTar(_ bytes: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
    let archive = TarBytes.mended(UnsafeBufferPointer(start: bytes, count: count))
    let record = MemoryFile.make()
    guard let whole = Layer(archive, step: max(1, archive.count), record: record) else {
        precondition(Layer(archive, step: 97) == nil, "what is refused whole is accepted in pieces")
        return 0
    }
    precondition(whole == Layer(archive, step: 97), "pieces make another layer than the whole")
    precondition(recorded(record, beside: whole.data) == archive, "the record gives another archive")
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

/// The archive that a record gives back.
private func recorded(_ record: Descriptor, beside data: [UInt8]) -> [UInt8] {
    do {
        var reader = try TarRecord.Reader(record: record, data: MemoryFile.make(data))
        var archive: [UInt8] = []
        var piece = [UInt8](repeating: 0, count: 64 << 10)
        while true {
            let count = try piece.withUnsafeMutableBytes { try reader.read(into: $0) }
            if count == 0 { return archive }
            archive += piece[..<count]
        }
    } catch { fatalError("a record that was just made is refused: \(error)") }
}

private struct Layer: Equatable {
    let index: [UInt8]
    let data: [UInt8]

    /// `nil` when the archive is refused.
    init?(_ archive: [UInt8], step: Int, record: Descriptor? = nil) {
        let file = MemoryFile.make()
        let limits = LayerLimits(
            entries: 256, dataBytes: 1 << 20, indexBytes: 1 << 20, headerBytes: 1 << 16, sparseSegments: 256)
        do {
            var writer =
                if let record { try LayerWriter(data: file, record: record, limits: limits) } else {
                    LayerWriter(data: file, limits: limits)
                }
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
