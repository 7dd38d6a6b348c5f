import LinuxSystem

/// Writes a tar archive in the format ustar (IEEE 1003.1-1988), with pax headers (IEEE 1003.1-2001) for what that cannot
/// say. The same files give the same bytes: owner and group are 0 and the times are those of the epoch.
final class TarWriter: ArchiveSink {
    private static let blockSize = 512
    /// As GNU tar does, the end is filled up to a whole record, since there are readers that expect it.
    private static let recordSize = 20 * blockSize
    /// The largest number that eleven octal digits can say.
    private static let largestSize: Int64 = 1 << 33 - 1

    private enum Kind: UInt8 {
        case file = 0x30
        case directory = 0x35
        case extendedHeader = 0x78
    }

    private let output: Descriptor
    private let copier = ByteCopier()
    private var length: Int64 = 0

    /// Writes to `output` from where it stands; it may be a pipe.
    init(_ output: Descriptor) { self.output = output }

    func addDirectory(_ path: String) throws(ImageExportError) { try addHeader(path + "/", .directory, size: 0) }

    func addFile(_ path: String, size: Int64, from source: any ByteSource) throws(ImageExportError) {
        try addHeader(path, .file, size: size)
        try copier.copy(source, size: size, to: output, name: path)
        length += size
        try pad(to: Self.blockSize)
    }

    func finish() throws(ImageExportError) {
        try write([UInt8](repeating: 0, count: 2 * Self.blockSize))
        try pad(to: Self.recordSize)
    }

    private func addHeader(_ path: String, _ kind: Kind, size: Int64) throws(ImageExportError) {
        var records: [UInt8] = []
        if size > Self.largestSize { records += Self.record("size", "\(size)") }
        let name = Self.split(path)
        if name == nil { records += Self.record("path", path) }
        if !records.isEmpty {
            try write(Self.header(("PaxHeader", ""), .extendedHeader, size: Int64(records.count)))
            try write(records)
            try pad(to: Self.blockSize)
        }
        // Where a pax record counts, what the field says does not.
        let field = size > Self.largestSize ? 0 : size
        try write(Self.header(name ?? (String(decoding: path.utf8.prefix(100), as: UTF8.self), ""), kind, size: field))
    }

    /// A path as the fields for a name of 100 bytes and its prefix of 155 can hold it; `nil` when they cannot.
    private static func split(_ path: String) -> (name: String, prefix: String)? {
        guard path.utf8.allSatisfy({ $0 < 128 }) else { return nil }
        if path.utf8.count <= 100 { return (path, "") }
        // The first slash that leaves a name short enough, and not the one at the end.
        guard let slash = path.utf8.dropFirst(path.utf8.count - 101).dropLast().firstIndex(of: 0x2f),
            case let prefix = path[..<slash], !prefix.isEmpty, prefix.utf8.count <= 155
        else { return nil }
        return (String(path[path.utf8.index(after: slash)...]), String(prefix))
    }

    /// A record of a pax header. Its length is part of it.
    private static func record(_ key: String, _ value: String) -> [UInt8] {
        let rest = Array(" \(key)=\(value)\n".utf8)
        var length = rest.count
        while "\(length)".utf8.count + rest.count != length { length = "\(length)".utf8.count + rest.count }
        return Array("\(length)".utf8) + rest
    }

    private static func header(_ path: (name: String, prefix: String), _ kind: Kind, size: Int64) -> [UInt8] {
        var block = [UInt8](repeating: 0, count: blockSize)
        func put(_ text: String, at offset: Int) {
            block.replaceSubrange(offset..<offset + text.utf8.count, with: text.utf8)
        }
        put(path.name, at: 0)
        put(kind == .directory ? "0000755" : "0000644", at: 100)
        put("0000000", at: 108)
        put("0000000", at: 116)
        put(octal(size, digits: 11), at: 124)
        put("00000000000", at: 136)
        put("        ", at: 148)
        block[156] = kind.rawValue
        put("ustar", at: 257)
        put("00", at: 263)
        put("0000000", at: 329)
        put("0000000", at: 337)
        put(path.prefix, at: 345)
        put(octal(Int64(block.reduce(0) { $0 + Int($1) }), digits: 6), at: 148)
        block[154] = 0
        return block
    }

    /// A number that `digits` octal digits can say.
    private static func octal(_ number: Int64, digits: Int) -> String {
        let text = String(number, radix: 8)
        return String(repeating: "0", count: max(0, digits - text.utf8.count)) + text
    }

    private func write(_ bytes: [UInt8]) throws(ImageExportError) {
        try reporting { () throws(SystemError) in try output.write(bytes) }
        length += Int64(bytes.count)
    }

    private func pad(to unit: Int) throws(ImageExportError) {
        let rest = Int(length % Int64(unit))
        if rest > 0 { try write([UInt8](repeating: 0, count: unit - rest)) }
    }
}
