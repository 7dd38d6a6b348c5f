import Tar

/// Proves that foreign bytes are an index that ``LayerWriter`` could have made.
struct LayerIndexCheck {
    let bytes: UnsafeRawBufferPointer
    let header: LayerIndex.Header

    func run() throws(DiskImageError) {
        let attributeSets = try checkAttributeSets()
        guard attributeSets == Int(header.attributeSets) else { throw damaged("it has another number of attributes") }
        try checkRemovals()
        try checkRecords()
    }

    private func checkAttributeSets() throws(DiskImageError) -> Int {
        var reader = IndexReader(bytes, Int(header.removalsEnd)..<bytes.count)
        var count = 0
        while let range = try reader.nextAttributes() {
            guard ExtendedAttributes(decoding: Array(bytes[range])[...]) != nil else {
                throw damaged("an extended attribute is malformed")
            }
            count += 1
        }
        return count
    }

    private func checkRemovals() throws(DiskImageError) {
        var reader = IndexReader(bytes, Int(header.recordsEnd)..<Int(header.removalsEnd))
        var count = 0
        while let (opaque, path) = try reader.nextRemoval() {
            guard EntryPath.isClean(bytes.part(path)), opaque || !path.isEmpty else {
                throw damaged("it removes an impossible path")
            }
            count += 1
        }
        guard count == Int(header.removals) else { throw damaged("it has another number of removals") }
    }

    private func checkRecords() throws(DiskImageError) {
        var reader = IndexReader(bytes, LayerIndex.Header.size..<Int(header.recordsEnd))
        var path: [UInt8] = []
        var entries = 0
        var nameBytes = 0
        while let record = try reader.next() {
            entries += 1
            nameBytes += record.path.count + record.target.count
            guard
                record.sharedPath == 0
                    || (record.sharedPath <= path.count && path[record.sharedPath - 1] == EntryPath.slash)
            else { throw damaged("a path shares too much with the one before") }
            path.removeSubrange(record.sharedPath...)
            path.append(contentsOf: bytes[record.path])
            let clean = path.withUnsafeBytes { EntryPath.isClean($0) }
            guard clean, !path.isEmpty || record.kind == .directory else { throw damaged("a path is impossible") }
            guard record.permissions <= 0o7777, record.nanoseconds < 1_000_000_000,
                record.attributes == IndexRecord.noAttributes || record.attributes < header.attributeSets
            else { throw damaged("an entry's mode, time or attributes are impossible") }
            try checkContent(record)
        }
        guard entries == Int(header.entries), nameBytes == Int(clamping: header.nameBytes) else {
            throw damaged("it has another number of entries")
        }
    }

    private func checkContent(_ record: IndexRecord) throws(DiskImageError) {
        let available = header.dataLength >> UInt64(Block.bits)
        switch record.kind {
        case .directory, .fifo: break
        case .file:
            let blocks = record.size >> UInt64(Block.bits) + (record.size & 4095 == 0 ? 0 : 1)
            guard UInt64(record.block) <= available, blocks <= available - UInt64(record.block) else {
                throw damaged("a file lies outside the data file")
            }
        case .sparseFile: try checkRuns(record, available)
        case .symbolicLink:
            guard EntryContent.isLinkTarget(bytes.part(record.target)) else { throw damaged("a link leads nowhere") }
        case .hardLink:
            guard EntryPath.isClean(bytes.part(record.target)), !record.target.isEmpty else {
                throw damaged("a hard link leads nowhere")
            }
        case .characterDevice, .blockDevice:
            guard record.major <= EntryContent.maximumMajor, record.minor <= EntryContent.maximumMinor else {
                throw damaged("a device number is impossible")
            }
        }
    }

    private func checkRuns(_ record: IndexRecord, _ available: UInt64) throws(DiskImageError) {
        guard record.chunkBits <= 31, record.size <= 1 << 60 else { throw damaged("a sparse file is impossible") }
        let shift = UInt64(record.chunkBits) + UInt64(Block.bits)
        let chunks = record.size == 0 ? 0 : (record.size - 1) >> shift + 1
        var reader = IndexReader(bytes, record.runs)
        var position: UInt64 = 0  // in chunks
        var mapped: UInt64 = 0
        var endsWithData = false
        while !reader.isAtEnd {
            let holes = UInt64(try reader.integer(UInt32.self))
            let data = UInt64(try reader.integer(UInt32.self))
            position += holes + data  // at most 2^29 pairs of 32-bit numbers
            mapped += data
            endsWithData = data > 0
        }
        guard position <= chunks, chunks < UInt64(UInt32.max), mapped <= available else {
            throw damaged("a sparse file has too many pieces")
        }
        var blocks = mapped << UInt64(record.chunkBits)
        if endsWithData, position == chunks {
            blocks -= (chunks << shift - record.size) >> UInt64(Block.bits)
        }
        guard UInt64(record.block) <= available, blocks <= available - UInt64(record.block) else {
            throw damaged("a sparse file lies outside the data file")
        }
    }

    private func damaged(_ reason: String) -> DiskImageError { .damagedIndex(reason) }
}
