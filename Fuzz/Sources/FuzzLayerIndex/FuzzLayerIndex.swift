import DiskImage
import FuzzInput

/// Reads the index of a layer and makes an image of that layer laid over itself, twice the same.
@c(LLVMFuzzerTestOneInput)
public func fuzzLayerIndex(_ bytes: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
    let encoded = Array(UnsafeBufferPointer(start: bytes, count: count))
    guard let index = try? LayerIndex(decoding: encoded) else { return 0 }
    precondition(index.encoded == encoded, "an index does not stay as it was")
    precondition(image(of: [index, index]) == image(of: [index, index]), "the same layers make different images")
    return 0
}

/// The metadata of the image; `nil` when the layers are refused.
private func image(of layers: [LayerIndex]) -> [UInt8]? {
    let file = MemoryFile.make()
    let limits = ImageLimits(entries: 4096, metadataBytes: 1 << 20)
    guard let length = try? ImageDisk.write(layers: layers, to: file, limits: limits) else { return nil }
    let metadata = MemoryFile.contents(of: file)
    precondition(metadata.count == length, "the metadata has another length than was said")
    return metadata
}
