import LinuxSystem
import Tar

/// Turns the uncompressed tar archive of one image layer, given in pieces of any size as it arrives, into a data file
/// and an index.
///
/// ```swift
/// var writer = LayerWriter(data: file)
/// while let piece = try next() { try piece.withUnsafeBytes { try writer.consume($0) } }
/// let index = try writer.finish()
/// ```
///
/// Understood are the formats v7, ustar, pax (local and global headers, with the keys of GNU tar, star and libarchive)
/// and GNU (long names and links, base-256 numbers, sparse files), as the OCI image specification ("Image Layer
/// Filesystem Changeset") needs them. Names are cleaned lexically and can never lead out of the image. After an error
/// the writer refuses all further work with the same error.
public struct LayerWriter: ~Copyable, Sendable {
    /// What the next bytes of the archive are.
    enum State {
        /// A header, or an extension of one, that comes in a block of 512 bytes.
        case block(BlockRole)
        /// The text of an extended header: how much of it is still to come.
        case text(TextRole, remaining: Int)
        /// The content of a file.
        case content(remaining: Int64)
        /// The pieces of a sparse file.
        case sparseContent
        /// Bytes of no interest.
        case skip(remaining: Int64)
        /// The rest of a last block.
        case padding(remaining: Int)
        /// What follows the two zero blocks.
        case end

        /// Whether the bytes go into the data file.
        var isContent: Bool {
            switch self {
            case .content, .sparseContent: true
            case .block, .text, .skip, .padding, .end: false
            }
        }
    }

    enum BlockRole { case header, secondZero, sparseExtension, sparseMap }
    enum TextRole { case local, global, longName, longLink }

    var state = State.block(.header)
    let limits: LayerLimits
    var data: DataFile
    var index: IndexEncoder
    /// What is needed to give the archive back; `nil` when nobody wants that.
    private var record: TarRecord.Writer?
    /// How many bytes came before.
    var offset: Int64 = 0

    /// What extended headers said about all further entries, and about the next one.
    var globalAttributes = PaxAttributes()
    var localAttributes = PaxAttributes()
    var longName: [UInt8]?
    var longLink: [UInt8]?
    var hasLocalHeader = false
    /// A sparse file whose map is still being read, or whose pieces are.
    var sparse: SparseEntry?

    /// Buffers that are used again and again.
    var path: [UInt8] = []
    var target: [UInt8] = []
    private var gathered: [UInt8] = []

    private var failure: DiskImageError?

    /// Starts a layer.
    /// - Parameters:
    ///   - data: an empty file, open for writing, that becomes the layer's data file.
    ///   - limits: how much the layer may cost.
    public init(data: Descriptor, limits: LayerLimits = .init()) {
        self.limits = limits
        self.data = DataFile(data)
        index = IndexEncoder(limits: limits)
        gathered.reserveCapacity(TarHeader.size)
    }

    /// Starts a layer, and a record from which, with the data file, ``TarRecord/Reader`` gives the archive back.
    /// - Parameters:
    ///   - data: an empty file, open for writing, that becomes the layer's data file.
    ///   - record: an empty file, open for writing, that becomes the record.
    ///   - limits: how much the layer may cost.
    /// - Throws: ``DiskImageError/system(_:)`` when there is no memory.
    public init(data: Descriptor, record: Descriptor, limits: LayerLimits = .init()) throws(DiskImageError) {
        self.init(data: data, limits: limits)
        self.record = try TarRecord.Writer(record)
    }

    /// Takes the next bytes of the archive. Blocks while the files are written.
    /// - Throws: ``DiskImageError``, except for a damaged index.
    public mutating func consume(_ bytes: UnsafeRawBufferPointer) throws(DiskImageError) {
        if let failure { throw failure }
        do {
            var rest = bytes
            while !rest.isEmpty {
                // What goes into the data file the record learns from there.
                let isLiteral = !state.isContent
                let used = try step(rest)
                if isLiteral { try record?.add(literal: UnsafeRawBufferPointer(rebasing: rest[..<used])) }
                offset &+= Int64(used)
                rest = UnsafeRawBufferPointer(rebasing: rest[used...])
            }
        } catch {
            failure = error
            throw error
        }
    }

    /// Ends the layer: writes what is left of the files and hands out the index.
    /// - Throws: ``DiskImageError``; an archive that ends anywhere but between two entries is truncated.
    public consuming func finish() throws(DiskImageError) -> LayerIndex {
        if let failure { throw failure }
        switch state {
        case .end, .padding, .block(.secondZero): break
        case .block(.header):
            guard gathered.isEmpty else { throw .truncated(inside: "a header") }
        case .block: throw .truncated(inside: "the map of a sparse file")
        case .text: throw .truncated(inside: "an extended header")
        case .content, .sparseContent, .skip: throw .truncated(inside: "the content of a file")
        }
        guard !hasLocalHeader else { throw .truncated(inside: "an entry, after its extended header") }
        try record?.finish()
        let length = try data.finish()
        return index.finish(dataLength: length)
    }

    /// Uses some of `bytes`, which are not empty, and says how many.
    private mutating func step(_ bytes: UnsafeRawBufferPointer) throws(DiskImageError) -> Int {
        switch state {
        case .block(let role): return try gather(bytes, role)
        case .text(let role, let remaining):
            let count = min(bytes.count, remaining)
            gathered.append(contentsOf: bytes[..<count])
            if count < remaining {
                state = .text(role, remaining: remaining - count)
            } else {
                let text = takeGathered()
                defer { giveBack(text) }
                try end(role, text)
                skipPadding(Int64(text.count))
            }
            return count
        case .content(let remaining):
            let count = Int(min(Int64(bytes.count), remaining))
            try keep(UnsafeRawBufferPointer(rebasing: bytes[..<count]))
            if Int64(count) < remaining {
                state = .content(remaining: remaining - Int64(count))
            } else {
                // The content began at a block of the data file, so its length mod 512 is that of the position.
                skipPadding(data.position)
                try data.align()
            }
            return count
        case .sparseContent: return try consumeSparseContent(bytes)
        case .skip(let remaining):
            let count = min(Int64(bytes.count), remaining)
            state = count < remaining ? .skip(remaining: remaining - count) : .block(.header)
            return Int(count)
        case .padding(let remaining):
            let count = min(bytes.count, remaining)
            state = count < remaining ? .padding(remaining: remaining - count) : .block(.header)
            return count
        case .end: return bytes.count
        }
    }

    private mutating func gather(_ bytes: UnsafeRawBufferPointer, _ role: BlockRole) throws(DiskImageError) -> Int {
        if gathered.isEmpty, bytes.count >= TarHeader.size {
            try handle(UnsafeRawBufferPointer(rebasing: bytes[..<TarHeader.size]), role)
            return TarHeader.size
        }
        let count = min(bytes.count, TarHeader.size - gathered.count)
        gathered.append(contentsOf: bytes[..<count])
        guard gathered.count == TarHeader.size else { return count }
        let block = takeGathered()
        defer { giveBack(block) }
        try block.withUnsafeBufferPointer { buffer throws(DiskImageError) in
            try handle(UnsafeRawBufferPointer(buffer), role)
        }
        return count
    }

    /// Moves the gathered bytes out, so that they can be read while this value changes.
    private mutating func takeGathered() -> [UInt8] {
        var bytes: [UInt8] = []
        swap(&bytes, &gathered)
        return bytes
    }

    /// Gives storage back that ``takeGathered()`` moved out.
    private mutating func giveBack(_ bytes: consuming [UInt8]) {
        if bytes.capacity <= 65_536 {
            gathered = bytes
            gathered.removeAll(keepingCapacity: true)
        }
    }

    /// Adds content, not empty, to the data file.
    mutating func keep(_ content: UnsafeRawBufferPointer) throws(DiskImageError) {
        try record?.add(contentAt: data.position, count: content.count)
        try data.append(content)
    }

    /// Goes on with the next header, after the rest of the block in which `length` bytes end.
    mutating func skipPadding(_ length: Int64) {
        let rest = Int(truncatingIfNeeded: -length & 511)
        state = rest == 0 ? .block(.header) : .padding(remaining: rest)
    }

    /// Skips `length` bytes of payload and goes on with the next header.
    mutating func skip(_ length: Int64) throws(DiskImageError) {
        guard length <= Int64.max - 511 else { throw malformed("an impossible size") }
        let whole = (length + 511) & ~511
        state = whole == 0 ? .block(.header) : .skip(remaining: whole)
    }

    func malformed(_ reason: String) -> DiskImageError { .malformed(reason, offset: offset) }
}
