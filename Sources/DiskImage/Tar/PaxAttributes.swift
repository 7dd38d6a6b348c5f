import Glibc

/// What pax extended headers (IEEE 1003.1-2001, "pax Interchange Format") say about the entries that follow, with
/// the vendor keys of GNU tar, star (`SCHILY`) and libarchive.
struct PaxAttributes {
    var path: [UInt8]?
    var linkPath: [UInt8]?
    var size: Int64?
    var owner: Int64?
    var group: Int64?
    var modificationTime: (seconds: Int64, nanoseconds: UInt32)?
    var deviceMajor: Int64?
    var deviceMinor: Int64?
    var extendedAttributes = ExtendedAttributes()

    /// The name of a sparse file, whose header carries a made-up one (GNU sparse 0.1 and 1.0).
    var sparseName: [UInt8]?
    var sparseMajor: Int64?
    var sparseMinor: Int64?
    /// The pieces of a sparse file and its true size (GNU sparse 0.0 and 0.1).
    var sparseMap: SparseMap?
    /// The true size of a sparse file (`GNU.sparse.size` or `GNU.sparse.realsize`).
    var sparseSize: Int64?
    private var pendingSparseOffset: Int64?

    /// A record that cannot be understood: its key and what is wrong with it.
    struct Invalid: Error { var reason: String }

    /// Adds the records of one header: each is `length key=value\n`, the length counting all of it in decimal.
    mutating func add(_ records: UnsafeRawBufferPointer, limits: LayerLimits) throws(DiskImageError) {
        var rest = records[...]
        // Some writers pad the last block's worth of records with NUL bytes.
        while let first = rest.first, first != 0 {
            guard let space = rest.prefix(20).firstIndex(of: UInt8(ascii: " ")),
                let length = TarNumber.decimal(rest[..<space]), length <= rest.count,
                Int(length) > space - rest.startIndex + 1,
                rest[rest.startIndex + Int(length) - 1] == UInt8(ascii: "\n"),
                let equals = rest[..<(rest.startIndex + Int(length))].firstIndex(of: UInt8(ascii: "=")), equals > space
            else { throw .entry(rest.prefix(40), "a pax header holds a malformed record") }
            let end = rest.startIndex + Int(length)
            let key = UnsafeRawBufferPointer(rebasing: rest[(space + 1)..<equals])
            let value = UnsafeRawBufferPointer(rebasing: rest[(equals + 1)..<(end - 1)])
            try set(key, value, limits)
            rest = rest[end...]
        }
    }

    private mutating func set(
        _ key: UnsafeRawBufferPointer, _ value: UnsafeRawBufferPointer, _ limits: LayerLimits
    ) throws(DiskImageError) {
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
        case _ where key.hasPrefix("GNU.sparse."): try setSparse(key, value, limits)
        default: break
        }
    }

    private mutating func setStar(
        _ key: UnsafeRawBufferPointer, _ value: UnsafeRawBufferPointer
    ) throws(DiskImageError) {
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
    ) throws(DiskImageError) {
        guard let name = TextEncoding.percentDecoded(key.dropFirst(17)), let bytes = TextEncoding.base64Decoded(value)
        else { throw malformed(key) }
        try extendedAttributes.set(name, bytes)
    }

    private mutating func setSparse(
        _ key: UnsafeRawBufferPointer, _ value: UnsafeRawBufferPointer, _ limits: LayerLimits
    ) throws(DiskImageError) {
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
            try append(offset, length, limits)
            pendingSparseOffset = nil
        case _ where key.equals("GNU.sparse.map"):
            sparseMap = SparseMap()
            if value.isEmpty { return }
            var offset: Int64?
            for text in value.split(separator: UInt8(ascii: ","), omittingEmptySubsequences: false) {
                guard let number = TarNumber.decimal(text) else { throw malformed(key) }
                if let start = offset {
                    try append(start, number, limits)
                    offset = nil
                } else {
                    offset = number
                }
            }
            guard offset == nil else { throw malformed(key) }
        default: break
        }
    }

    private mutating func append(_ offset: Int64, _ length: Int64, _ limits: LayerLimits) throws(DiskImageError) {
        // Moved out and back so that the array is never copied.
        var map = sparseMap ?? SparseMap()
        sparseMap = nil
        guard map.segments.count < limits.sparseSegments else {
            throw .layerLimit("a sparse file has more than \(limits.sparseSegments) pieces", name: "sparseSegments")
        }
        map.append(offset: offset, length: length)
        sparseMap = map
    }

    private func number(
        _ key: UnsafeRawBufferPointer, _ value: UnsafeRawBufferPointer
    ) throws(DiskImageError) -> Int64? {
        if value.isEmpty { return nil }
        guard let number = TarNumber.decimal(value) else { throw malformed(key) }
        return number
    }

    private func malformed(_ key: UnsafeRawBufferPointer) -> DiskImageError {
        .entry(key, "a pax header has a malformed value for this key")
    }
}

extension UnsafeRawBufferPointer {
    /// Whether the bytes are exactly `text`.
    func equals(_ text: StaticString) -> Bool { count == text.utf8CodeUnitCount && hasPrefix(text) }

    /// Whether the bytes begin with `text`.
    func hasPrefix(_ text: StaticString) -> Bool {
        guard count >= text.utf8CodeUnitCount, let baseAddress else { return text.utf8CodeUnitCount == 0 }
        return memcmp(baseAddress, text.utf8Start, text.utf8CodeUnitCount) == 0
    }
}
