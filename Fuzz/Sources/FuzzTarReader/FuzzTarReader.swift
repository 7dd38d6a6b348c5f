import FuzzInput
import Tar

/// Reads an archive given whole and given in pieces, which must come to the same; and encodes its entries anew.
@c(LLVMFuzzerTestOneInput)
public func fuzzTarReader(_ bytes: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
    let archive = TarBytes.mended(UnsafeBufferPointer(start: bytes, count: count))
    let whole = contents(archive, step: max(1, archive.count))
    precondition(whole == contents(archive, step: 97), "pieces come to something else than the whole")
    for entry in whole?.entries ?? [] { precondition(TarEncoder.header(entry).count % 512 == 0, "half a block") }
    return 0
}

private struct Contents: Equatable {
    var entries: [TarEntry] = []
    /// Places in files and what is there, pieces that touch each other joined.
    var content: [UInt8] = []
    var places: [Int64] = []
    var ends = 0
}

/// `nil` when the archive is refused.
private func contents(_ archive: [UInt8], step: Int) -> Contents? {
    var reader = TarReader(limits: .init(headerBytes: 1 << 16, sparseSegments: 256))
    var contents = Contents()
    var next: Int64 = -1
    do {
        for start in stride(from: 0, to: archive.count, by: step) {
            reader.append(archive[start..<min(start + step, archive.count)])
            while let event = try reader.next() {
                switch event {
                case .entry(let entry):
                    contents.entries.append(entry)
                    next = -1
                case .content(let bytes, let offset):
                    if offset != next { contents.places.append(offset) }
                    next = offset + Int64(bytes.count)
                    contents.content += bytes
                case .end: contents.ends += 1
                }
            }
        }
        try reader.finish()
    } catch { return nil }
    return contents
}
