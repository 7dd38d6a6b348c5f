/// Reads an archive of a snapshot in small pieces, as an import does, whose files go nowhere. All its digests are zeros.
@c(LLVMFuzzerTestOneInput)
public func fuzzSnapshotArchive(_ bytes: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
    let input = UnsafeRawBufferPointer(start: bytes, count: count)
    var position = 0
    do {
        let reader = try ArchiveReader { buffer in
            let piece = input[position..<min(input.count, position + min(buffer.count, 4096))]
            buffer.copyBytes(from: piece)
            position = piece.endIndex
            return piece.count
        }
        let bytes = try reader.manifest()
        let manifest = try? ArchiveManifest(decoding: bytes)
        let isTaken = manifest.map { $0.problem == nil } ?? false
        // Those of a manifest that is refused are never read; here they are, so that blocks are met more often.
        for file in (isTaken ? manifest?.files : manifest?.files.prefix(4).map { $0 }) ?? [] {
            var (end, sum): (Int64, Int64) = (0, 0)
            try reader.read(file) { content, offset in
                sum += Int64(content.count)
                precondition(offset >= end && content.count > 0, "content goes backwards")
                end = offset + Int64(content.count)
                precondition(end <= file.size && sum <= file.most, "content outside of what was announced")
            }
        }
        try reader.finish()
    } catch {
        precondition(error is SnapshotArchiveError, "an error of another kind: \(error)")
    }
    return 0
}
