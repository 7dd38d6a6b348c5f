import Glibc
import LinuxSystem

/// Reads a log of lines in two files, `PATH` and the older `PATH.1`, from its oldest line on, while it is being written too.
struct LogLineReader {
    /// Longest line that is taken; what is longer is passed over.
    private static let longestLine = 65_536

    private let path: String
    private var file: Descriptor?
    private var inode: ino_t = 0
    private var offset: Int64 = 0
    private var line: [UInt8] = []

    /// A reader of a log that may not be there yet.
    init(path: String) { self.path = path }

    /// Passes over all that was written so far.
    mutating func skip() {
        for name in [path, path + ".1"] where open(name) {
            if let size = try? file?.status().st_size { offset = Int64(size) }
            return
        }
    }

    /// The complete lines that were added since the last call, in order, each with its end.
    /// - Throws: ``SystemError`` when the log cannot be read.
    mutating func lines() throws(SystemError) -> [UInt8] {
        var lines: [UInt8] = []
        if file == nil, !openNext() { return [] }
        while true {
            try readFile(&lines)
            // At the end of this file: go on when there is a newer one, and this one got nothing more meanwhile.
            var status = stat()
            guard stat(path, &status) == 0, status.st_ino != inode else { return lines }
            try readFile(&lines)
            guard openNext() else { return lines }
        }
    }

    /// Goes on to the oldest file that was not read yet. The one that was stays open until then, so that its inode's
    /// number is not given to another.
    private mutating func openNext() -> Bool { open(path + ".1") || open(path) }

    private mutating func open(_ name: String) -> Bool {
        guard let candidate = try? Descriptor(opening: name), let status = try? candidate.status(),
            status.st_ino != inode
        else { return false }
        (file, inode, offset, line) = (candidate, status.st_ino, 0, [])
        return true
    }

    private mutating func readFile(_ lines: inout [UInt8]) throws(SystemError) {
        guard let file else { return }
        var buffer = [UInt8](repeating: 0, count: 65_536)
        while true {
            let from = offset
            let result = buffer.withUnsafeMutableBytes { bytes in
                Result { () throws(SystemError) in try file.read(into: bytes, at: from) }
            }
            let count = try result.get()
            guard count > 0 else { return }
            offset += Int64(count)
            line += buffer[..<count]
            guard let end = line.lastIndex(of: UInt8(ascii: "\n")) else {
                if line.count > Self.longestLine { line = [] }
                continue
            }
            lines += line[...end]
            line.removeSubrange(...end)
        }
    }
}
