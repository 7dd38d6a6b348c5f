import Glibc
import Tar

/// Collects the records of a layer while its archive streams in.
struct IndexEncoder {
    private let limits: LayerLimits
    /// The final encoding: room for the header, then the records.
    private var bytes: [UInt8]
    private var removals: [UInt8] = []
    private var attributeSets: [UInt8] = []
    private var numberOfAttributeSet: [[UInt8]: UInt32] = [:]
    private var previousPath: [UInt8] = []
    private var extraBytes = 0
    private(set) var header = LayerIndex.Header()

    init(limits: LayerLimits) {
        self.limits = limits
        bytes = []
        // Address space only: the kernel gives memory to what is used, and nothing is copied in growing.
        bytes.reserveCapacity(min(limits.indexBytes, 64 << 20))
        bytes += [UInt8](repeating: 0, count: LayerIndex.Header.size)
    }

    /// The number of the set with these attributes; equal sets share one.
    mutating func number(of attributes: ExtendedAttributes) throws(DiskImageError) -> UInt32 {
        if attributes.isEmpty { return IndexRecord.noAttributes }
        let encoded = attributes.encoded()
        if let known = numberOfAttributeSet[encoded] { return known }
        let number = header.attributeSets
        header.attributeSets += 1
        Self.append(UInt32(encoded.count), to: &attributeSets)
        attributeSets += encoded
        extraBytes += 2 * encoded.count  // it is also a key above
        numberOfAttributeSet[encoded] = number
        try checkSize()
        return number
    }

    /// Notes that `path` of the layers below is removed, or, when `opaque`, all that is in it.
    mutating func remove(_ path: [UInt8], opaque: Bool) throws(DiskImageError) {
        try count()
        header.removals += 1
        removals.append(opaque ? 1 : 0)
        Self.append(UInt16(path.count), to: &removals)  // a path is at most 4096 long
        removals += path
        try checkSize()
    }

    /// Adds an entry; `record` says all but path, target and runs.
    mutating func add(
        _ record: IndexRecord, path: [UInt8], target: [UInt8] = [], sparse: SparseLayout? = nil
    ) throws(DiskImageError) {
        try count()
        header.entries += 1
        bytes.append(record.kind.rawValue)
        append(record.permissions)
        append(record.owner)
        append(record.group)
        append(record.seconds)
        append(record.nanoseconds)
        append(record.attributes)
        let shared = sharedPrefix(with: path)
        append(UInt16(shared))
        append(UInt16(path.count - shared))
        path.withUnsafeBytes { bytes.append(contentsOf: $0[shared...]) }
        header.nameBytes += UInt64(path.count - shared)
        switch record.kind {
        case .directory, .fifo: break
        case .file, .sparseFile:
            append(record.size)
            append(record.block)
            if let sparse {
                bytes.append(UInt8(sparse.chunkBits))
                append(UInt32(sparse.runs.count))
                for run in sparse.runs {
                    append(run.holes)
                    append(run.data)
                }
                extraBytes += 4 * Int(sparse.chunkCount)  // its map in the image
            }
        case .symbolicLink, .hardLink:
            append(UInt16(target.count))  // at most 4096 long
            bytes += target
            header.nameBytes += UInt64(target.count)
        case .characterDevice, .blockDevice:
            append(record.major)
            append(record.minor)
        }
        previousPath.removeAll(keepingCapacity: true)
        previousPath += path
        try checkSize()
    }

    /// Hands out the finished index and keeps nothing.
    mutating func finish(dataLength: Int64) -> LayerIndex {
        var encoded: [UInt8] = []
        swap(&encoded, &bytes)
        header.dataLength = UInt64(dataLength)
        header.recordsEnd = UInt64(encoded.count)
        encoded += removals
        header.removalsEnd = UInt64(encoded.count)
        encoded += attributeSets
        header.write(to: &encoded)
        return LayerIndex(header: header, encoded: encoded)
    }

    /// How much of `path` is the same as in the last record, up to and with a slash.
    private func sharedPrefix(with path: [UInt8]) -> Int {
        path.withUnsafeBytes { new in
            previousPath.withUnsafeBytes { old in
                guard let newBase = new.baseAddress, let oldBase = old.baseAddress else { return 0 }
                let directory = EntryPath.directoryLength(new)
                if directory <= old.count, memcmp(newBase, oldBase, directory) == 0 { return directory }
                var shared = 0
                for index in 0..<min(directory, old.count) {
                    if new[index] != old[index] { break }
                    if new[index] == EntryPath.slash { shared = index + 1 }
                }
                return shared
            }
        }
    }

    private func count() throws(DiskImageError) {
        guard Int(header.entries) + Int(header.removals) < limits.entries else {
            throw .layerLimit("the layer has more than \(limits.entries) entries", name: "entries")
        }
    }

    private func checkSize() throws(DiskImageError) {
        guard bytes.count + removals.count + attributeSets.count + extraBytes <= limits.indexBytes else {
            throw .layerLimit(
                "the layer's names and attributes take more than \(limits.indexBytes) bytes", name: "indexBytes")
        }
    }

    private mutating func append(_ value: some FixedWidthInteger) { Self.append(value, to: &bytes) }

    // Static, since a method would hold a second reference to the array and so have it copied.
    private static func append(_ value: some FixedWidthInteger, to bytes: inout [UInt8]) {
        withUnsafeBytes(of: value.littleEndian) { bytes.append(contentsOf: $0) }
    }
}
