import Glibc
import LinuxSystem

/// What an ELF program says it needs to start: its loader and its libraries.
struct ELFProgram {
    /// The path of its dynamic loader; `nil` when it needs none.
    private(set) var loader: String?
    /// The names of the libraries it is linked with.
    private(set) var libraries: [String] = []

    /// Reads the headers of a 64-bit little-endian program. What is malformed is as if it were not there.
    init(_ file: Descriptor) {
        guard let header = Self.bytes(file, at: 0, count: 64), header.starts(with: [0x7f, 0x45, 0x4c, 0x46, 2, 1]),
            let table = Self.number(header, at: 32, size: 8), let size = Self.number(header, at: 54, size: 2),
            let count = Self.number(header, at: 56, size: 2), size >= 56
        else { return }
        var segments: [Segment] = []
        for index in 0..<min(count, 64) {
            guard let entry = Self.bytes(file, at: table &+ index &* size, count: 56),
                let segment = Segment(entry)
            else { return }
            segments.append(segment)
        }
        if let segment = segments.first(where: { $0.kind == 3 }), segment.length <= 4096 {
            loader = Self.string(file, at: segment.offset)
        }
        guard let segment = segments.first(where: { $0.kind == 2 }), segment.length <= 1 << 16,
            let dynamic = Self.bytes(file, at: segment.offset, count: Int(segment.length))
        else { return }
        readLibraries(dynamic, segments, file)
    }

    private mutating func readLibraries(_ dynamic: [UInt8], _ segments: [Segment], _ file: Descriptor) {
        var names: [Int64] = []
        var strings: Int64?
        for offset in stride(from: 0, to: dynamic.count, by: 16) {
            guard let tag = Self.number(dynamic, at: offset, size: 8),
                let value = Self.number(dynamic, at: offset + 8, size: 8), tag != 0
            else { break }
            if tag == 1 { names.append(value) }  // DT_NEEDED
            if tag == 5 { strings = value }  // DT_STRTAB, an address in memory
        }
        guard let strings,
            let home = segments.first(where: {
                $0.kind == 1 && strings >= $0.address && strings &- $0.address < $0.length
            })
        else { return }
        let start = strings &- home.address &+ home.offset
        libraries = names.compactMap { Self.string(file, at: start &+ $0) }
    }

    /// An entry of the program header table.
    private struct Segment {
        var kind: Int64
        var offset: Int64
        var address: Int64
        var length: Int64

        init?(_ entry: [UInt8]) {
            guard let kind = number(entry, at: 0, size: 4), let offset = number(entry, at: 8, size: 8),
                let address = number(entry, at: 16, size: 8), let length = number(entry, at: 32, size: 8)
            else { return nil }
            (self.kind, self.offset, self.address, self.length) = (kind, offset, address, length)
        }
    }

    /// A number that fits 63 bits.
    private static func number(_ bytes: [UInt8], at offset: Int, size: Int) -> Int64? {
        guard offset >= 0, offset + size <= bytes.count else { return nil }
        let value = bytes[offset..<offset + size].reversed().reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
        return Int64(exactly: value)
    }

    private static func string(_ file: Descriptor, at offset: Int64) -> String? {
        guard let text = bytes(file, at: offset, count: 4096, whole: false), let end = text.firstIndex(of: 0) else {
            return nil
        }
        return String(decoding: text[..<end], as: UTF8.self)
    }

    private static func bytes(_ file: Descriptor, at offset: Int64, count: Int, whole: Bool = true) -> [UInt8]? {
        guard offset >= 0 else { return nil }
        var bytes = [UInt8](repeating: 0, count: count)
        guard let read = try? bytes.withUnsafeMutableBytes({ try file.read(into: $0, at: offset) }) else { return nil }
        if whole, read < count { return nil }
        return Array(bytes[..<read])
    }
}
