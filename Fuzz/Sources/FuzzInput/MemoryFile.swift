import LinuxSystem

/// Files in memory for parsers that read or write files.
public enum MemoryFile {
    /// A file that holds `bytes`.
    public static func make(_ bytes: [UInt8] = []) -> Descriptor {
        do {
            let file = try Descriptor.memory("fuzz")
            try bytes.withUnsafeBytes { try file.write($0, at: 0) }
            return file
        } catch { fatalError("a file in memory: \(error)") }
    }

    /// All that is in a file.
    public static func contents(of file: Descriptor) -> [UInt8] {
        do {
            var bytes = [UInt8](repeating: 0, count: Int(try file.status().st_size))
            var filled = 0
            while filled < bytes.count {
                let count = try bytes[filled...].withUnsafeMutableBytes { try file.read(into: $0, at: Int64(filled)) }
                guard count > 0 else { fatalError("a file in memory became shorter") }
                filled += count
            }
            return bytes
        } catch { fatalError("a file in memory: \(error)") }
    }
}
