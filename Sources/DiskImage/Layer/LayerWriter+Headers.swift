import Tar

/// Headers and extended headers: what comes next, and how long it is.
extension LayerWriter {
    /// Handles one block of 512 bytes.
    mutating func handle(_ block: UnsafeRawBufferPointer, _ role: BlockRole) throws(DiskImageError) {
        guard let header = TarHeader(block) else { return }
        switch role {
        case .header: try handle(header)
        case .secondZero:
            guard header.isZero else { throw malformed("a lone block of zeros among the headers") }
            state = .end
        case .sparseExtension: try handleSparseExtension(header)
        case .sparseMap: try handleSparseMap(block)
        }
    }

    private mutating func handle(_ header: TarHeader) throws(DiskImageError) {
        if header.isZero {
            guard !hasLocalHeader else { throw malformed("the archive ends after an extended header") }
            state = .block(.secondZero)
            return
        }
        guard header.hasValidChecksum else { throw malformed("the checksum of a header is wrong") }
        switch header.type {
        case UInt8(ascii: "x"), UInt8(ascii: "X"): try beginText(.local, header)
        case UInt8(ascii: "g"): try beginText(.global, header)
        case UInt8(ascii: "L"): try beginText(.longName, header)
        case UInt8(ascii: "K"): try beginText(.longLink, header)
        case UInt8(ascii: "V"), UInt8(ascii: "A"):  // GNU's name of the volume, Solaris' access control list
            try skip(size(in: header))
        case UInt8(ascii: "M"), UInt8(ascii: "N"):
            throw malformed("the archive is one of several volumes or of an unsupported old format")
        default:
            try handleEntry(header)
            if hasLocalHeader {
                localAttributes = globalAttributes
                longName = nil
                longLink = nil
                hasLocalHeader = false
            }
        }
    }

    private mutating func beginText(_ role: TextRole, _ header: TarHeader) throws(DiskImageError) {
        let size = try size(in: header)
        guard size <= limits.headerBytes else {
            throw .layerLimit(
                "an extended header has \(size) bytes, more than \(limits.headerBytes)", name: "headerBytes")
        }
        if role != .global { hasLocalHeader = true }
        state = size == 0 ? .block(.header) : .text(role, remaining: Int(size))
    }

    /// Takes in the text of an extended header.
    mutating func end(_ role: TextRole, _ text: [UInt8]) throws(DiskImageError) {
        switch role {
        case .longName: longName = Array(text.prefix { $0 != 0 })
        case .longLink: longLink = Array(text.prefix { $0 != 0 })
        case .local, .global:
            try text.withUnsafeBufferPointer { buffer throws(DiskImageError) in
                let records = UnsafeRawBufferPointer(buffer)
                if role == .global { try globalAttributes.add(records, limits: limits) }
                try localAttributes.add(records, limits: limits)
            }
        }
    }

    /// The size of what follows a header.
    func size(in header: TarHeader) throws(DiskImageError) -> Int64 {
        let size = try number("size") { () throws(TarNumber.Invalid) in try header.size() }
        guard size >= 0 else { throw malformed("a size is negative") }
        return size
    }

    /// A number of a header, with an error that says which.
    func number(
        _ name: String, _ read: () throws(TarNumber.Invalid) -> Int64
    ) throws(DiskImageError) -> Int64 {
        do { return try read() } catch { throw malformed("the field for the \(name) holds no number") }
    }
}
