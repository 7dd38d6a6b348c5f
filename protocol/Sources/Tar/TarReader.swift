/// Reads a tar archive as it arrives, in pieces of any size: v7, ustar, pax and GNU, with sparse files of all kinds.
///
/// The archive is a stranger's. What it can make the reader hold is bounded, every number is checked, and after an error
/// the reader is of no further use. Names are given out as they are: ``EntryPath`` cleans them.
///
/// ```swift
/// var reader = TarReader()
/// while let piece = try next() {
///     reader.append(piece)
///     while let event = try reader.next() { … }
/// }
/// try reader.finish()
/// ```
public struct TarReader: Sendable {
    /// Bounds on what an archive may cost.
    public struct Limits: Sendable {
        /// Length of one extended header in bytes.
        public var headerBytes: Int
        /// Pieces of one sparse file.
        public var sparseSegments: Int

        /// Makes bounds.
        public init(headerBytes: Int = 1 << 20, sparseSegments: Int = 1 << 16) {
            self.headerBytes = headerBytes
            self.sparseSegments = sparseSegments
        }
    }

    /// What was found.
    public enum Event: Equatable, Sendable {
        /// An entry begins. Content follows only for a file.
        case entry(TarEntry)
        /// Bytes of the file that began last, at an offset in it. Bytes that never come are zero.
        case content(ArraySlice<UInt8>, offset: Int64)
        /// The file that began last is complete. Only files have an end.
        case end
    }

    private enum State {
        case header
        case secondZero
        case text(TextRole, left: Int)
        case sparseExtension
        case sparseMap
        case content
        case skip(left: Int64)
        case over
    }

    private enum TextRole { case local, global, longName, longLink }

    private let limits: Limits
    private var state = State.header
    private var input: ArraySlice<UInt8> = []
    /// Bytes of a header block or an extended header that is not complete yet.
    private var gathered: [UInt8] = []
    private var global = PaxAttributes()
    private var local = PaxAttributes()
    private var longName: [UInt8]?
    private var longLink: [UInt8]?
    private var hasLocalHeader = false
    private var file: FileProgress?
    private var pending: [Event] = []

    /// The file whose content is being read.
    private struct FileProgress {
        var entry: TarEntry
        var map: SparseMap?
        /// Bytes in the archive that are still to come, and with how many padding follows.
        var stored: Int64
        var total: Int64
        var piece = 0
        var pieceDone: Int64 = 0
        var numbers: [Int64] = []
        var number: Int64?
    }

    /// A reader at the start of an archive.
    public init(limits: Limits = Limits()) { self.limits = limits }

    /// Adds bytes of the archive. Only when ``next()`` has returned `nil`.
    public mutating func append(_ bytes: ArraySlice<UInt8>) { input = input.isEmpty ? bytes : input + bytes }

    /// Ends the archive.
    /// - Throws: ``TarError/truncated`` when more should have come. The two blocks of zeros at the end may be missing.
    public func finish() throws(TarError) {
        switch state {
        case .over: return
        case .header where gathered.isEmpty && !hasLocalHeader, .secondZero where gathered.isEmpty: return
        default: throw .truncated
        }
    }

    /// What was found next; `nil` when more bytes are needed.
    public mutating func next() throws(TarError) -> Event? {
        while true {
            if !pending.isEmpty { return pending.removeFirst() }
            guard !input.isEmpty else { return nil }
            switch state {
            case .header, .secondZero, .sparseExtension, .sparseMap:
                guard let block = take(TarHeader.size) else { return nil }
                try handle(block)
            case .text(let role, let left):
                guard let text = take(left) else { return nil }
                state = .header
                skipPadding(Int64(left))
                try end(role, text)
            case .content:
                guard let event = contentPiece() else { throw .malformed("content of no file") }
                return event
            case .skip(let left):
                let count = Int(min(left, Int64(input.count)))
                input = input.dropFirst(count)
                state = left == Int64(count) ? .header : .skip(left: left - Int64(count))
            case .over:
                // What follows the end is of no interest.
                input = []
            }
        }
    }

    /// Gathers exactly `count` bytes.
    private mutating func take(_ count: Int) -> [UInt8]? {
        let part = input.prefix(count - gathered.count)
        input = input.dropFirst(part.count)
        if gathered.isEmpty && part.count == count { return Array(part) }
        gathered += part
        guard gathered.count == count else { return nil }
        defer { gathered = [] }
        return gathered
    }

    private mutating func skipPadding(_ length: Int64) {
        let rest = -length & 511
        state = rest == 0 ? .header : .skip(left: rest)
    }

    // MARK: Headers

    private mutating func handle(_ block: [UInt8]) throws(TarError) {
        let result = block.withUnsafeBytes { bytes -> Result<Void, TarError> in
            Result { () throws(TarError) in
                guard let header = TarHeader(bytes) else { throw .malformed("a block of a wrong length") }
                switch state {
                case .secondZero:
                    guard header.isZero else { throw .malformed("a lone block of zeros among the headers") }
                    state = .over
                case .sparseExtension: try handleSparseExtension(header)
                case .sparseMap: try handleSparseMap(bytes)
                default: try handle(header)
                }
            }
        }
        try result.get()
    }

    private mutating func handle(_ header: TarHeader) throws(TarError) {
        if header.isZero {
            guard !hasLocalHeader else { throw .malformed("it ends after an extended header") }
            state = .secondZero
            return
        }
        guard header.hasValidChecksum else { throw .malformed("the checksum of a header is wrong") }
        switch header.type {
        case UInt8(ascii: "x"), UInt8(ascii: "X"): try beginText(.local, header)
        case UInt8(ascii: "g"): try beginText(.global, header)
        case UInt8(ascii: "L"): try beginText(.longName, header)
        case UInt8(ascii: "K"): try beginText(.longLink, header)
        case UInt8(ascii: "V"), UInt8(ascii: "A"): try skip(try size(header))
        case UInt8(ascii: "M"), UInt8(ascii: "N"):
            throw .malformed("it is one of several volumes or of an unsupported old format")
        default:
            try beginEntry(header)
            local = global
            (longName, longLink, hasLocalHeader) = (nil, nil, false)
        }
    }

    private mutating func beginText(_ role: TextRole, _ header: TarHeader) throws(TarError) {
        let size = try size(header)
        guard size <= limits.headerBytes else {
            throw TarError(limit: "an extended header has \(size) bytes, more than \(limits.headerBytes)")
        }
        if role != .global { hasLocalHeader = true }
        if size > 0 { state = .text(role, left: Int(size)) }
    }

    private mutating func end(_ role: TextRole, _ text: [UInt8]) throws(TarError) {
        switch role {
        case .longName: longName = Array(text.prefix { $0 != 0 })
        case .longLink: longLink = Array(text.prefix { $0 != 0 })
        case .local, .global:
            if role == .global { try add(text, to: &global) }
            try add(text, to: &local)
        }
    }

    private func add(_ text: [UInt8], to attributes: inout PaxAttributes) throws(TarError) {
        let result = text.withUnsafeBytes { bytes -> Result<Void, TarError> in
            Result { () throws(TarError) in try attributes.add(bytes, sparseSegments: limits.sparseSegments) }
        }
        try result.get()
    }

    private func size(_ header: TarHeader) throws(TarError) -> Int64 {
        let size = try number("size") { () throws(TarNumber.Invalid) in try header.size() }
        guard size >= 0 else { throw .malformed("a size is negative") }
        return size
    }

    private func number(
        _ name: String, _ read: () throws(TarNumber.Invalid) -> Int64
    ) throws(TarError) -> Int64 {
        do throws(TarNumber.Invalid) { return try read() } catch {
            throw .malformed("the field for the \(name) holds no number")
        }
    }

    private mutating func skip(_ length: Int64) throws(TarError) {
        guard length <= Int64.max - 511 else { throw .malformed("an impossible size") }
        let whole = (length + 511) & ~511
        state = whole == 0 ? .header : .skip(left: whole)
    }

    // MARK: Entries

    private mutating func beginEntry(_ header: TarHeader) throws(TarError) {
        let name =
            local.sparseName ?? local.path ?? longName
            ?? (header.prefix.isEmpty ? Array(header.name) : Array(header.prefix) + [EntryPath.slash] + header.name)
        var entry = TarEntry(name: name, kind: .file, mode: 0)
        entry.mode = UInt16(
            truncatingIfNeeded: try number("mode") { () throws(TarNumber.Invalid) in try header.mode() } & 0o7777)
        entry.owner = try identifier("owner", local.owner, name) { () throws(TarNumber.Invalid) in try header.owner() }
        entry.group = try identifier("group", local.group, name) { () throws(TarNumber.Invalid) in try header.group() }
        entry.modified =
            if let time = local.modificationTime { time } else {
                (try number("time") { () throws(TarNumber.Invalid) in try header.modificationTime() }, 0)
            }
        entry.attributes = local.extendedAttributes.attributes.map { .init(name: $0.fullName, value: $0.value) }
        let link = local.linkPath ?? longLink ?? Array(header.linkName)
        let length = if let size = local.size { size } else { try size(header) }
        let isDirectory = name.last == EntryPath.slash
        switch header.type {
        case UInt8(ascii: "1"): entry.kind = .hardLink(target: link)
        case UInt8(ascii: "2"): entry.kind = .symbolicLink(target: link)
        case UInt8(ascii: "3"):
            let (major, minor) = try device(header, name)
            entry.kind = .characterDevice(major: major, minor: minor)
        case UInt8(ascii: "4"):
            let (major, minor) = try device(header, name)
            entry.kind = .blockDevice(major: major, minor: minor)
        case UInt8(ascii: "5"): entry.kind = .directory
        case UInt8(ascii: "6"): entry.kind = .fifo
        case UInt8(ascii: "D"),
            0 where isDirectory,
            UInt8(ascii: "0") where isDirectory:
            entry.kind = .directory
            pending.append(.entry(entry))
            return try skip(length)
        case UInt8(ascii: "S"): return try beginOldSparse(header, entry, length)
        default:  // POSIX: types that are not known are regular files
            if local.sparseMajor != nil || local.sparseMap != nil { return try beginPaxSparse(entry, length) }
            entry.size = length
            return try begin(FileProgress(entry: entry, stored: length, total: length))
        }
        // Entries of these types have no content, whatever their size field says.
        pending.append(.entry(entry))
        state = .header
    }

    private func identifier(
        _ what: String, _ extended: Int64?, _ name: [UInt8], _ read: () throws(TarNumber.Invalid) -> Int64
    ) throws(TarError) -> UInt32 {
        let value = if let extended { extended } else { try number(what, read) }
        guard let identifier = UInt32(exactly: value), identifier != .max else {
            throw TarError(entry: name, "the \(what) \(value) is no 32-bit number")
        }
        return identifier
    }

    private func device(_ header: TarHeader, _ name: [UInt8]) throws(TarError) -> (UInt32, UInt32) {
        let major =
            if let number = local.deviceMajor { number } else {
                try number("device") { () throws(TarNumber.Invalid) in try header.deviceMajor() }
            }
        let minor =
            if let number = local.deviceMinor { number } else {
                try number("device") { () throws(TarNumber.Invalid) in try header.deviceMinor() }
            }
        // What Linux's numbers of devices can be.
        guard (0...0xfff).contains(major), (0...0xfffff).contains(minor) else {
            throw TarError(entry: name, "Linux has no device \(major):\(minor)")
        }
        return (UInt32(major), UInt32(minor))
    }

    // MARK: Content

    private mutating func begin(_ progress: FileProgress) throws(TarError) {
        guard progress.total <= Int64.max - 511 else { throw .malformed("an impossible size") }
        if let map = progress.map, !map.isValid(stored: progress.stored) {
            throw TarError(entry: progress.entry.name, "the map of a sparse file contradicts its size")
        }
        pending.append(.entry(progress.entry))
        guard progress.stored > 0 else {
            pending.append(.end)
            return skipPadding(progress.total)
        }
        file = progress
        state = .content
    }

    private mutating func contentPiece() -> Event? {
        guard var progress = file else { return nil }
        file = nil
        var count = Int(min(progress.stored, Int64(input.count)))
        var offset = progress.total - progress.stored
        if let map = progress.map {
            while progress.piece < map.segments.count, progress.pieceDone == map.segments[progress.piece].length {
                progress.piece += 1
                progress.pieceDone = 0
            }
            // A valid map holds as many bytes as are stored.
            guard progress.piece < map.segments.count else { return nil }
            let segment = map.segments[progress.piece]
            count = Int(min(segment.length - progress.pieceDone, Int64(count)))
            offset = segment.offset + progress.pieceDone
            progress.pieceDone += Int64(count)
        }
        let bytes = input.prefix(count)
        input = input.dropFirst(count)
        progress.stored -= Int64(count)
        if progress.stored == 0 {
            pending.append(.end)
            skipPadding(progress.total)
        } else {
            file = progress
        }
        return .content(bytes, offset: offset)
    }

    // MARK: Sparse files

    private mutating func beginOldSparse(
        _ header: TarHeader, _ entry: TarEntry, _ length: Int64
    ) throws(TarError) {
        var progress = FileProgress(entry: entry, map: SparseMap(), stored: length, total: length)
        var map = SparseMap()
        map.fileSize = try number("sparse size") { () throws(TarNumber.Invalid) in try header.sparseSize() }
        progress.entry.size = map.fileSize
        let more: Bool
        do throws(TarNumber.Invalid) { more = try header.addSparseSegments(to: &map) } catch {
            throw .malformed("the map of a sparse file holds no numbers")
        }
        progress.map = map
        guard more else { return try begin(progress) }
        file = progress
        state = .sparseExtension
    }

    private mutating func handleSparseExtension(_ block: TarHeader) throws(TarError) {
        guard var progress = file, var map = progress.map else { return }
        file = nil
        progress.map = nil
        let more: Bool
        do throws(TarNumber.Invalid) { more = try block.addExtensionSegments(to: &map) } catch {
            throw .malformed("the map of a sparse file holds no numbers")
        }
        guard map.segments.count <= limits.sparseSegments else { throw tooManyPieces }
        progress.map = map
        if more { file = progress } else { try begin(progress) }
    }

    private mutating func beginPaxSparse(_ entry: TarEntry, _ length: Int64) throws(TarError) {
        guard let size = local.sparseSize else { throw TarError(entry: entry.name, "a sparse file without a size") }
        var progress = FileProgress(entry: entry, map: local.sparseMap ?? SparseMap(), stored: length, total: length)
        progress.entry.size = size
        progress.map?.fileSize = size
        switch (local.sparseMajor ?? 0, local.sparseMinor ?? 0) {
        case (0, _): try begin(progress)
        case (1, 0):
            progress.map = SparseMap()
            progress.map?.fileSize = size
            file = progress
            state = .sparseMap
        default: throw TarError(entry: entry.name, "a sparse file in an unknown version of the format")
        }
    }

    /// One block of a map that is part of the content (GNU sparse 1.0): decimal numbers, one a line, the first of them how
    /// many pieces there are.
    private mutating func handleSparseMap(_ block: UnsafeRawBufferPointer) throws(TarError) {
        guard var progress = file else { return }
        file = nil
        progress.stored -= Int64(block.count)
        guard progress.stored >= 0 else { throw .malformed("the map of a sparse file is longer than the file") }
        for byte in block {
            if byte != UInt8(ascii: "\n") {
                guard byte >= UInt8(ascii: "0"), byte <= UInt8(ascii: "9"),
                    (progress.number ?? 0) < Int64.max / 10 - 1
                else { throw .malformed("the map of a sparse file holds no numbers") }
                progress.number = (progress.number ?? 0) * 10 + Int64(byte - UInt8(ascii: "0"))
                continue
            }
            guard let number = progress.number else { throw .malformed("the map of a sparse file has an empty line") }
            progress.number = nil
            progress.numbers.append(number)
            guard let count = progress.numbers.first, count <= Int64(limits.sparseSegments) else { throw tooManyPieces }
            guard Int64(progress.numbers.count) == 1 + 2 * count else { continue }
            for index in stride(from: 1, to: progress.numbers.count - 1, by: 2) {
                progress.map?.append(offset: progress.numbers[index], length: progress.numbers[index + 1])
            }
            return try begin(progress)
        }
        file = progress
    }

    private var tooManyPieces: TarError {
        TarError(limit: "a sparse file has more than \(limits.sparseSegments) pieces")
    }
}

extension ExtendedAttributes.Attribute {
    /// The whole name.
    fileprivate var fullName: [UInt8] {
        (ExtendedAttributes.Namespace(rawValue: namespace)?.prefix.withUTF8Buffer { Array($0) } ?? []) + name
    }
}
