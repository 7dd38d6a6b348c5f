/// A line of `/proc/PID/maps`; see proc_pid_maps(5).
struct MemoryRange: Equatable {
    /// The first byte and the one behind the last.
    var bounds: Range<UInt64>
    /// `PROT_…` of mmap(2).
    var protection: UInt32
    /// Whether others see what is written.
    var isShared: Bool
    /// Where the range begins in its file.
    var offset: UInt64
    /// The device as `major:minor` in hexadecimal digits, and the number of the file on it; 0 for memory of no file.
    var device: Substring
    var inode: UInt64
    /// The file, or what else it is.
    var name: Substring

    /// Reads a line.
    init?(line: Substring) {
        let fields = line.split(separator: " ", maxSplits: 5, omittingEmptySubsequences: true)
        guard fields.count >= 5 else { return nil }
        let bounds = fields[0].split(separator: "-")
        guard bounds.count == 2, let start = UInt64(bounds[0], radix: 16), let end = UInt64(bounds[1], radix: 16),
            start < end, let offset = UInt64(fields[2], radix: 16), let inode = UInt64(fields[4])
        else { return nil }
        let letters = Array(fields[1].utf8)
        guard letters.count == 4 else { return nil }
        self.bounds = start..<end
        var protection: UInt32 = 0
        if letters[0] == UInt8(ascii: "r") { protection |= 1 }
        if letters[1] == UInt8(ascii: "w") { protection |= 2 }
        if letters[2] == UInt8(ascii: "x") { protection |= 4 }
        self.protection = protection
        isShared = letters[3] == UInt8(ascii: "s")
        self.offset = offset
        device = fields[3]
        self.inode = inode
        name = fields.count > 5 ? fields[5].drop { $0 == " " } : ""
    }
}
