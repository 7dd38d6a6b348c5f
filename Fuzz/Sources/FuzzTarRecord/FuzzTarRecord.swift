import DiskImage
import FuzzInput
import LinuxSystem

/// Reads the record of a tar archive beside a data file of 16 KiB, in large pieces and small ones, which must come to the
/// same. The input is a length and runs; header and zstd frame are put around them, since a random change of compressed
/// bytes says little.
@c(LLVMFuzzerTestOneInput)
public func fuzzTarRecord(_ bytes: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
    let input = UnsafeBufferPointer(start: bytes, count: count)
    guard count >= 8 else { return -1 }
    let record = MemoryFile.make(
        Array("tar-rec\n".utf8) + [1, 0, 0, 0, 0, 0, 0, 0] + input.prefix(8) + ZstdFrame.raw(input.dropFirst(8)))
    let whole = archive(record, step: 64 << 10)
    precondition(whole == archive(record, step: 61), "pieces make another archive than the whole")
    return 0
}

private let data = MemoryFile.make((0..<16_384).map { UInt8(truncatingIfNeeded: $0 &* 31) })

/// The archive; `nil` when the record is refused.
private func archive(_ record: Descriptor, step: Int) -> [UInt8]? {
    do {
        var reader = try TarRecord.Reader(record: record, data: data)
        var archive: [UInt8] = []
        var piece = [UInt8](repeating: 0, count: step)
        while true {
            let count = try piece.withUnsafeMutableBytes { try reader.read(into: $0) }
            archive += piece[..<count]
            precondition(Int64(archive.count) <= reader.length, "more than the record says")
            if count == 0 { break }
        }
        precondition(Int64(archive.count) == reader.length, "less than the record says")
        return archive
    } catch { return nil }
}
