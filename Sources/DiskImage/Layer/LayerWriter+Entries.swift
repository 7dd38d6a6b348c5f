import Glibc
import Tar

/// Entries: files, directories, links, devices and whiteouts.
extension LayerWriter {
    private static let whiteoutPrefix: StaticString = ".wh."
    private static let reservedPrefix: StaticString = ".wh..wh."
    private static let opaqueName: StaticString = ".wh..wh..opq"

    /// Takes in the header of an entry.
    mutating func handleEntry(_ header: TarHeader) throws(DiskImageError) {
        let endsWithSlash = try readPath(header)
        let type = header.type
        if try handleWhiteout() {
            try skip(hasNoContent(type) ? 0 : contentSize(header))
            return
        }
        var record = IndexRecord()
        try readMetadata(header, into: &record)
        let isFile = type == 0 || type == UInt8(ascii: "0")
        let isDirectory = type == UInt8(ascii: "5") || type == UInt8(ascii: "D") || (isFile && endsWithSlash)
        guard isDirectory || !path.isEmpty else {
            throw .entry("/".utf8, "the root of the image can only be a directory")
        }
        switch type {
        case UInt8(ascii: "1"): try addHardLink(header, &record)
        case UInt8(ascii: "2"): try addSymbolicLink(header, &record)
        case UInt8(ascii: "3"): try addDevice(.characterDevice, header, &record)
        case UInt8(ascii: "4"): try addDevice(.blockDevice, header, &record)
        case UInt8(ascii: "5"): try add(.directory, &record)
        case UInt8(ascii: "6"): try add(.fifo, &record)
        case UInt8(ascii: "D"):  // GNU: a directory with a list of its names
            try add(.directory, &record)
            try skip(contentSize(header))
        case UInt8(ascii: "S"): try beginOldSparseFile(header, record)
        case 0 where isDirectory, UInt8(ascii: "0") where isDirectory:  // how v7 marks directories
            try add(.directory, &record)
            try skip(contentSize(header))
        default:  // POSIX: types that are not known are regular files
            if try beginPaxSparseFile(header, record) { return }
            try beginFile(size: contentSize(header), &record)
        }
    }

    /// The size of an entry's content: what the pax header says goes before the field.
    func contentSize(_ header: TarHeader) throws(DiskImageError) -> Int64 {
        if let size = localAttributes.size { return size }
        return try size(in: header)
    }

    /// Entries of these types have no content, whatever their size field says.
    private func hasNoContent(_ type: UInt8) -> Bool { type >= UInt8(ascii: "1") && type <= UInt8(ascii: "6") }

    /// Puts the clean name into ``path``; says whether it ended with a slash.
    private mutating func readPath(_ header: TarHeader) throws(DiskImageError) -> Bool {
        if let name = localAttributes.sparseName ?? localAttributes.path ?? longName {
            return try clean(name, header)
        }
        let prefix = header.prefix
        if !prefix.isEmpty { return try clean(Array(prefix) + [EntryPath.slash] + Array(header.name), header) }
        try EntryPath.cleanEntry(header.name, into: &path)
        return header.name.last == EntryPath.slash
    }

    private mutating func clean(_ name: [UInt8], _ header: TarHeader) throws(DiskImageError) -> Bool {
        try name.withUnsafeBufferPointer { buffer throws(DiskImageError) in
            try EntryPath.cleanEntry(UnsafeRawBufferPointer(buffer), into: &path)
        }
        return name.last == EntryPath.slash
    }

    /// Handles names that begin with `.wh.`: whiteouts and opaque directories (OCI image specification, "Whiteouts").
    /// Other `.wh..wh.` names are aufs' own and left out with all that is in them.
    private mutating func handleWhiteout() throws(DiskImageError) -> Bool {
        enum Name { case ordinary, reserved, opaque, whiteout }
        let (name, directory) = path.withUnsafeBytes { bytes -> (Name, Int) in
            let directory = EntryPath.directoryLength(bytes)
            let last = bytes.part(directory..<bytes.count)
            if last.equals(Self.opaqueName) { return (.opaque, directory) }
            var start = 0
            while true {
                let rest = bytes.part(start..<bytes.count)
                if rest.hasPrefix(Self.reservedPrefix) { return (.reserved, directory) }
                guard start < directory, let slash = rest.firstIndex(of: EntryPath.slash) else { break }
                start += slash + 1
            }
            return (last.hasPrefix(Self.whiteoutPrefix) ? .whiteout : .ordinary, directory)
        }
        switch name {
        case .ordinary: return false
        case .reserved: break
        case .opaque: try index.remove(Array(path[..<max(0, directory - 1)]), opaque: true)
        case .whiteout:
            let hidden = path[(directory + Self.whiteoutPrefix.utf8CodeUnitCount)...]
            guard !hidden.isEmpty, !hidden.elementsEqual(".".utf8), !hidden.elementsEqual("..".utf8) else {
                throw .entry(path, "a whiteout without a name")
            }
            try index.remove(Array(path[..<directory]) + hidden, opaque: false)
        }
        return true
    }

    private mutating func readMetadata(_ header: TarHeader, into record: inout IndexRecord) throws(DiskImageError) {
        let mode = try number("mode") { () throws(TarNumber.Invalid) in try header.mode() }
        record.permissions = UInt16(truncatingIfNeeded: mode & 0o7777)
        record.owner = try identifier("user", localAttributes.owner) { () throws(TarNumber.Invalid) in
            try header.owner()
        }
        record.group = try identifier("group", localAttributes.group) { () throws(TarNumber.Invalid) in
            try header.group()
        }
        if let (seconds, nanoseconds) = localAttributes.modificationTime {
            record.seconds = seconds
            record.nanoseconds = nanoseconds
        } else {
            record.seconds = try number("time") { () throws(TarNumber.Invalid) in try header.modificationTime() }
        }
        record.attributes = try index.number(of: localAttributes.extendedAttributes)
    }

    /// A user or group: 32 bits, of which Linux reserves the last value for "no change".
    private func identifier(
        _ name: String, _ extended: Int64?, _ read: () throws(TarNumber.Invalid) -> Int64
    ) throws(DiskImageError) -> UInt32 {
        let value = if let extended { extended } else { try number(name, read) }
        guard let identifier = UInt32(exactly: value), identifier != UInt32.max else {
            throw .entry(path, "the \(name) \(value) is no 32-bit number")
        }
        return identifier
    }

    private mutating func add(_ kind: IndexRecord.Kind, _ record: inout IndexRecord) throws(DiskImageError) {
        record.kind = kind
        try index.add(record, path: path)
        state = .block(.header)
    }

    private mutating func addSymbolicLink(
        _ header: TarHeader, _ record: inout IndexRecord
    ) throws(DiskImageError) {
        record.kind = .symbolicLink
        let target = localAttributes.linkPath ?? longLink ?? Array(header.linkName)
        guard target.withUnsafeBytes({ EntryContent.isLinkTarget($0) }) else {
            throw .entry(path, "a symbolic link to '\(DiskImageError.printable(target))' is impossible")
        }
        try index.add(record, path: path, target: target)
        state = .block(.header)
    }

    private mutating func addHardLink(_ header: TarHeader, _ record: inout IndexRecord) throws(DiskImageError) {
        record.kind = .hardLink
        let raw = localAttributes.linkPath ?? longLink ?? Array(header.linkName)
        try raw.withUnsafeBufferPointer { buffer throws(DiskImageError) in
            try EntryPath.cleanEntry(UnsafeRawBufferPointer(buffer), into: &target)
        }
        guard !target.isEmpty else { throw .entry(path, "a hard link to the root of the image") }
        try index.add(record, path: path, target: target)
        state = .block(.header)
    }

    private mutating func addDevice(
        _ kind: IndexRecord.Kind, _ header: TarHeader, _ record: inout IndexRecord
    ) throws(DiskImageError) {
        let major =
            if let number = localAttributes.deviceMajor { number } else {
                try number("device") { () throws(TarNumber.Invalid) in try header.deviceMajor() }
            }
        let minor =
            if let number = localAttributes.deviceMinor { number } else {
                try number("device") { () throws(TarNumber.Invalid) in try header.deviceMinor() }
            }
        guard major >= 0, major <= EntryContent.maximumMajor, minor >= 0, minor <= EntryContent.maximumMinor else {
            throw .entry(path, "Linux has no device \(major):\(minor)")
        }
        record.major = UInt32(major)
        record.minor = UInt32(minor)
        try add(kind, &record)
    }

    private mutating func beginFile(size: Int64, _ record: inout IndexRecord) throws(DiskImageError) {
        record.kind = .file
        record.size = UInt64(size)
        record.block = try allocate(size)
        try index.add(record, path: path)
        state = size == 0 ? .block(.header) : .content(remaining: size)
    }

    /// The block of the data file at which `size` further bytes, at least 0, begin.
    func allocate(_ size: Int64) throws(DiskImageError) -> UInt32 {
        let start = data.position
        guard size <= limits.dataBytes, Block.roundUp(size) <= limits.dataBytes - start else {
            throw .layerLimit("the layer's files have more than \(limits.dataBytes) bytes", name: "dataBytes")
        }
        return UInt32(start >> Int64(Block.bits))  // positions are below Block.addressable
    }
}
