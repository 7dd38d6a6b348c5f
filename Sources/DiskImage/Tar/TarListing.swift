import Glibc
import LinuxSystem
import Tar

/// Where the files of a tar archive lie, for an archive that is read by name and not from front to back.
///
/// Only headers are read, whatever lies between them is skipped. Of several entries with one name the last counts.
public struct TarListing: Sendable {
    /// A piece of the archive.
    public struct Content: Hashable, Sendable {
        /// Where it begins, in bytes.
        public let offset: Int64
        /// Its length in bytes.
        public let length: Int64
    }

    private enum Entry {
        case file(Content)
        /// A hard or symbolic link to the entry with this name.
        case link([UInt8])
    }

    /// How many links are followed from one to the next.
    private static let maximumLinks = 8

    private var entries: [[UInt8]: Entry] = [:]

    /// Reads all headers of an archive that begins at the start of `file`. Blocks.
    /// - Parameters:
    ///   - file: a file that can be read at any offset.
    ///   - maximumEntries: more entries than this exceed the limit `archiveEntries`.
    ///   - maximumNameBytes: longer names and targets, all of them together, exceed the limit `archiveNameBytes`.
    /// - Throws: ``DiskImageError``; an archive that ends inside an entry is truncated.
    public init(
        of file: Descriptor, maximumEntries: Int, maximumNameBytes: Int = 32 << 20
    ) throws(DiskImageError) {
        var reader: HeaderReader
        do { reader = try HeaderReader(file) } catch { throw .system(error) }
        var count = 0
        var nameBytes = 0
        while let entry = try reader.next() {
            count += 1
            guard count <= maximumEntries else {
                throw .layerLimit("it has more than \(maximumEntries) entries", name: "archiveEntries")
            }
            nameBytes += entry.path.count + entry.target.count
            guard nameBytes <= maximumNameBytes else {
                throw .layerLimit("its names take more than \(maximumNameBytes) bytes", name: "archiveNameBytes")
            }
            switch entry.type {
            case 0, UInt8(ascii: "0"), UInt8(ascii: "7"):
                entries[entry.path] = .file(entry.content)
            case UInt8(ascii: "1"):
                entries[entry.path] = .link(try Self.clean(entry.target))
            case UInt8(ascii: "2"):
                // Relative to the link's directory, except for an absolute one.
                let isAbsolute = entry.target.first == EntryPath.slash
                let directory = entry.path[..<(entry.path.lastIndex(of: EntryPath.slash) ?? 0)]
                let target = isAbsolute ? entry.target : directory + [EntryPath.slash] + entry.target
                entries[entry.path] = .link(try Self.clean(target))
            default: break
            }
        }
    }

    /// The content of the file with this name, links followed; `nil` when there is no such file.
    public func content(of name: String) -> Content? {
        guard var path = try? Self.clean(Array(name.utf8)) else { return nil }
        for _ in 0...Self.maximumLinks {
            switch entries[path] {
            case .file(let content): return content
            case .link(let target): path = target
            case nil: return nil
            }
        }
        return nil
    }

    fileprivate static func clean(_ name: [UInt8]) throws(DiskImageError) -> [UInt8] {
        var path: [UInt8] = []
        try name.withUnsafeBufferPointer { bytes throws(DiskImageError) in
            try EntryPath.cleanEntry(UnsafeRawBufferPointer(bytes), into: &path)
        }
        return path
    }
}

/// Goes from header to header.
private struct HeaderReader {
    struct Entry {
        var type: UInt8
        var path: [UInt8]
        var target: [UInt8]
        var content: TarListing.Content
    }

    private let file: Descriptor
    private let fileLength: Int64
    private let limits = LayerLimits()
    private var offset: Int64 = 0
    private var global = PaxAttributes()

    init(_ file: Descriptor) throws(SystemError) {
        self.file = file
        fileLength = Int64(try file.status().st_size)
    }

    /// The next entry that is not itself an extended header; `nil` at the end.
    mutating func next() throws(DiskImageError) -> Entry? {
        var local = global
        var longName: [UInt8]?
        var longLink: [UInt8]?
        var isExtended = false
        while true {
            if offset == fileLength, !isExtended { return nil }
            let start = offset
            let block = try read(TarHeader.size)
            let header = try block.withUnsafeBufferPointer { bytes throws(DiskImageError) in
                try RawHeader(UnsafeRawBufferPointer(bytes), at: start)
            }
            guard let header else { return nil }
            let end = start + Int64(TarHeader.size)
            switch header.type {
            case UInt8(ascii: "x"), UInt8(ascii: "X"), UInt8(ascii: "g"):
                let text = try text(header.size)
                try Self.add(text, to: &local, limits)
                if header.type == UInt8(ascii: "g") { try Self.add(text, to: &global, limits) }
                isExtended = isExtended || header.type != UInt8(ascii: "g")
            case UInt8(ascii: "L"):
                longName = Array(try text(header.size).prefix { $0 != 0 })
                isExtended = true
            case UInt8(ascii: "K"):
                longLink = Array(try text(header.size).prefix { $0 != 0 })
                isExtended = true
            default:
                let isLink = header.type == UInt8(ascii: "1") || header.type == UInt8(ascii: "2")
                let length = isLink ? 0 : local.size ?? header.size
                guard length <= fileLength - end else { throw .truncated(inside: "the content of a file") }
                guard header.type != UInt8(ascii: "S"), local.sparseMap == nil, local.sparseMajor == nil else {
                    throw .malformed("a sparse file in an archive of images", offset: start)
                }
                offset = min(fileLength, (end + length + 511) & ~511)
                return Entry(
                    type: header.type, path: try TarListing.clean(local.path ?? longName ?? header.name),
                    target: local.linkPath ?? longLink ?? header.linkName, content: .init(offset: end, length: length))
            }
        }
    }

    private static func add(
        _ text: [UInt8], to attributes: inout PaxAttributes, _ limits: LayerLimits
    ) throws(DiskImageError) {
        try text.withUnsafeBufferPointer { buffer throws(DiskImageError) in
            try attributes.add(UnsafeRawBufferPointer(buffer), limits: limits)
        }
    }

    /// The text of an extended header, which begins at ``offset``.
    private mutating func text(_ size: Int64) throws(DiskImageError) -> [UInt8] {
        guard size <= limits.headerBytes else {
            throw .layerLimit(
                "an extended header has \(size) bytes, more than \(limits.headerBytes)", name: "headerBytes")
        }
        let text = try read(Int(size))
        offset = (offset + 511) & ~511
        return text
    }

    /// The next `length` bytes.
    private mutating func read(_ length: Int) throws(DiskImageError) -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: length)
        let start = offset
        let file = file
        let result = bytes.withUnsafeMutableBytes { buffer in
            Result { () throws(SystemError) in
                var count = 0
                while count < buffer.count {
                    let rest = UnsafeMutableRawBufferPointer(rebasing: buffer[count...])
                    let read = try file.read(into: rest, at: start + Int64(count))
                    if read == 0 { break }
                    count += read
                }
                return count == buffer.count
            }
        }
        let whole: Bool
        do { whole = try result.get() } catch { throw .system(error) }
        guard whole else { throw .truncated(inside: "a header") }
        offset = start + Int64(length)
        return bytes
    }
}

/// What a header block says, copied out of it.
private struct RawHeader {
    var type: UInt8
    var name: [UInt8]
    var linkName: [UInt8]
    var size: Int64

    /// `nil` for a block of zeros, which ends the archive.
    init?(_ block: UnsafeRawBufferPointer, at offset: Int64) throws(DiskImageError) {
        guard let header = TarHeader(block), !header.isZero else { return nil }
        guard header.hasValidChecksum else { throw .malformed("the checksum of a header is wrong", offset: offset) }
        do { size = try header.size() } catch { throw .malformed("a size is no number", offset: offset) }
        guard size >= 0 else { throw .malformed("a size is negative", offset: offset) }
        type = header.type
        name =
            header.prefix.isEmpty ? Array(header.name) : Array(header.prefix) + [EntryPath.slash] + Array(header.name)
        linkName = Array(header.linkName)
    }
}
