/// Frames of zstd (RFC 8878).
public enum ZstdFrame {
    /// A frame whose blocks are not compressed, with a window of 512 KiB and without a checksum.
    public static func raw(_ content: some Collection<UInt8>) -> [UInt8] {
        var frame: [UInt8] = [0x28, 0xb5, 0x2f, 0xfd, 0x00, (19 - 10) << 3]
        var rest = content[...]
        repeat {
            let block = rest.prefix(64 << 10)
            rest = rest.dropFirst(block.count)
            let header = block.count << 3 | (rest.isEmpty ? 1 : 0)
            frame += [0, 8, 16].map { UInt8(truncatingIfNeeded: header >> $0) } + block
        } while !rest.isEmpty
        return frame
    }
}
