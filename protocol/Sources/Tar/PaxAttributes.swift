import Glibc

/// What pax extended headers (IEEE 1003.1-2001, "pax Interchange Format") say about the entries that follow, with
/// the vendor keys of GNU tar, star (`SCHILY`) and libarchive.
public struct PaxAttributes: Sendable {
    /// The name of the entry.
    public var path: [UInt8]?
    /// The target of a link.
    public var linkPath: [UInt8]?
    /// Bytes of content.
    public var size: Int64?
    /// Numeric owner.
    public var owner: Int64?
    /// Numeric group.
    public var group: Int64?
    /// Time of the last change.
    public var modificationTime: (seconds: Int64, nanoseconds: UInt32)?
    /// Major number of a device.
    public var deviceMajor: Int64?
    /// Minor number of a device.
    public var deviceMinor: Int64?
    /// The extended attributes of the entry.
    public var extendedAttributes = ExtendedAttributes()

    /// The name of a sparse file, whose header carries a made-up one (GNU sparse 0.1 and 1.0).
    public var sparseName: [UInt8]?
    /// Major version of the sparse format.
    public var sparseMajor: Int64?
    /// Minor version of the sparse format.
    public var sparseMinor: Int64?
    /// The pieces of a sparse file and its true size (GNU sparse 0.0 and 0.1).
    public var sparseMap: SparseMap?
    /// The true size of a sparse file (`GNU.sparse.size` or `GNU.sparse.realsize`).
    public var sparseSize: Int64?
    private var pendingSparseOffset: Int64?

    /// Says nothing.
    public init() {}

    /// Adds the records of one header: each is `length key=value\n`, the length counting all of it in decimal.
    /// - Parameter sparseSegments: pieces that the map of a sparse file may have.
    public mutating func add(_ records: UnsafeRawBufferPointer, sparseSegments: Int) throws(TarError) {
        var rest = records[...]
        // Some writers pad the last block's worth of records with NUL bytes.
        while let first = rest.first, first != 0 {
            guard let space = rest.prefix(20).firstIndex(of: UInt8(ascii: " ")),
                let length = TarNumber.decimal(rest[..<space]), length <= rest.count,
                Int(length) > space - rest.startIndex + 1,
                rest[rest.startIndex + Int(length) - 1] == UInt8(ascii: "\n"),
                let equals = rest[..<(rest.startIndex + Int(length))].firstIndex(of: UInt8(ascii: "=")), equals > space
            else { throw TarError(entry: rest.prefix(40), "a pax header holds a malformed record") }
            let end = rest.startIndex + Int(length)
            let key = UnsafeRawBufferPointer(rebasing: rest[(space + 1)..<equals])
            let value = UnsafeRawBufferPointer(rebasing: rest[(equals + 1)..<(end - 1)])
            try set(key, value, sparseSegments)
            rest = rest[end...]
        }
    }

    private mutating func set(
        _ key: UnsafeRawBufferPointer, _ value: UnsafeRawBufferPointer, _ sparseSegments: Int
    ) throws(TarError) {
        // An empty value takes back what an earlier header said.
        switch key.count {
        case 3 where key.equals("uid"): owner = try number(key, value)
        case 3 where key.equals("gid"): group = try number(key, value)
        case 4 where key.equals("path"): path = value.isEmpty ? nil : Array(value)
        case 4 where key.equals("size"): size = try number(key, value)
        case 5 where key.equals("mtime"):
            modificationTime = TarNumber.time(value)
            guard value.isEmpty || modificationTime != nil else { throw malformed(key) }
        case 8 where key.equals("linkpath"): linkPath = value.isEmpty ? nil : Array(value)
        case _ where key.hasPrefix("SCHILY."): try setStar(key, value)
        case _ where key.hasPrefix("LIBARCHIVE.xattr."): try setLibarchive(key, value)
        case _ where key.hasPrefix("GNU.sparse."): try setSparse(key, value, sparseSegments)
        default: break
        }
    }

    private mutating func setStar(
        _ key: UnsafeRawBufferPointer, _ value: UnsafeRawBufferPointer
    ) throws(TarError) {
        if key.hasPrefix("SCHILY.xattr.") {
            try extendedAttributes.set(Array(key.dropFirst(13)), Array(value))
        } else if key.equals("SCHILY.devmajor") {
            deviceMajor = try number(key, value)
        } else if key.equals("SCHILY.devminor") {
            deviceMinor = try number(key, value)
        }
    }

    private mutating func setLibarchive(
        _ key: UnsafeRawBufferPointer, _ value: UnsafeRawBufferPointer
    ) throws(TarError) {
        guard let name = TextEncoding.percentDecoded(key.dropFirst(17)), let bytes = TextEncoding.base64Decoded(value)
        else { throw malformed(key) }
        try extendedAttributes.set(name, bytes)
    }

    private mutating func setSparse(
        _ key: UnsafeRawBufferPointer, _ value: UnsafeRawBufferPointer, _ sparseSegments: Int
    ) throws(TarError) {
        switch key.count {
        case _ where key.equals("GNU.sparse.major"): sparseMajor = try number(key, value)
        case _ where key.equals("GNU.sparse.minor"): sparseMinor = try number(key, value)
        case _ where key.equals("GNU.sparse.name"): sparseName = value.isEmpty ? nil : Array(value)
        case _ where key.equals("GNU.sparse.size"), _ where key.equals("GNU.sparse.realsize"):
            sparseSize = try number(key, value)
        case _ where key.equals("GNU.sparse.numblocks"): sparseMap = SparseMap()
        case _ where key.equals("GNU.sparse.offset"): pendingSparseOffset = try number(key, value)
        case _ where key.equals("GNU.sparse.numbytes"):
            guard let offset = pendingSparseOffset, let length = try number(key, value) else { throw malformed(key) }
            try append(offset, length, sparseSegments)
            pendingSparseOffset = nil
        case _ where key.equals("GNU.sparse.map"):
            sparseMap = SparseMap()
            if value.isEmpty { return }
            var offset: Int64?
            for text in value.split(separator: UInt8(ascii: ","), omittingEmptySubsequences: false) {
                guard let number = TarNumber.decimal(text) else { throw malformed(key) }
                if let start = offset {
                    try append(start, number, sparseSegments)
                    offset = nil
                } else {
                    offset = number
                }
            }
            guard offset == nil else { throw malformed(key) }
        default: break
        }
    }

    private mutating func append(_ offset: Int64, _ length: Int64, _ sparseSegments: Int) throws(TarError) {
        // Moved out and back so that the array is never copied.
        var map = sparseMap ?? SparseMap()
        sparseMap = nil
        guard map.segments.count < sparseSegments else {
            throw TarError(limit: "a sparse file has more than \(sparseSegments) pieces", name: "sparseSegments")
        }
        map.append(offset: offset, length: length)
        sparseMap = map
    }

    private func number(
        _ key: UnsafeRawBufferPointer, _ value: UnsafeRawBufferPointer
    ) throws(TarError) -> Int64? {
        if value.isEmpty { return nil }
        guard let number = TarNumber.decimal(value) else { throw malformed(key) }
        return number
    }

    private func malformed(_ key: UnsafeRawBufferPointer) -> TarError {
        TarError(entry: key, "a pax header has a malformed value for this key")
    }
}

extension UnsafeRawBufferPointer {
    /// Whether the bytes are exactly `text`.
    public func equals(_ text: StaticString) -> Bool { count == text.utf8CodeUnitCount && hasPrefix(text) }

    /// Whether the bytes begin with `text`.
    public func hasPrefix(_ text: StaticString) -> Bool {
        guard count >= text.utf8CodeUnitCount, let baseAddress else { return text.utf8CodeUnitCount == 0 }
        return memcmp(baseAddress, text.utf8Start, text.utf8CodeUnitCount) == 0
    }
}
