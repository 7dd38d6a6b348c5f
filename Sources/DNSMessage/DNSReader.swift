import NetworkAddress

extension DNSMessage {
    /// Reads a message. Bytes after its last record are not looked at.
    ///
    /// - Throws: `DNSError`, for whatever is not as RFC 1035 has it.
    public init(_ bytes: some Collection<UInt8>) throws(DNSError) {
        guard bytes.count <= Self.maximumSize else { throw .tooMany }
        var reader = DNSReader(Array(bytes))
        self.init(id: try reader.number())
        flags = Flags(bits: try reader.number())
        let questions: UInt16 = try reader.number()
        let counts = [try reader.number(), try reader.number(), try reader.number()] as [UInt16]
        guard questions <= 1, counts.reduce(0, { $0 + Int($1) }) <= Self.maximumRecords else { throw .tooMany }
        if questions == 1 {
            question = DNSQuestion(
                try reader.name(), DNSType(rawValue: try reader.number()), classCode: try reader.number())
        }
        answers = try reader.records(counts[0])
        authorities = try reader.records(counts[1])
        additionals = try reader.records(counts[2], extensions: &extensions)
    }

    /// The id of a message whose rest may be of no use, to answer it all the same; `nil` when it is no query, or too
    /// short for a header.
    public static func queryID(of bytes: some Collection<UInt8>) -> UInt16? {
        let header = Array(bytes.prefix(12))
        guard header.count == 12, header[2] & 0x80 == 0 else { return nil }
        return UInt16(header[0]) << 8 | UInt16(header[1])
    }
}

/// Reads parts of a message, one after the other.
private struct DNSReader {
    let bytes: [UInt8]
    var position = 0
    /// Where what is read at the moment ends: the message, or a record's data.
    var end: Int

    init(_ bytes: [UInt8]) {
        self.bytes = bytes
        end = bytes.count
    }

    mutating func number<Number: FixedWidthInteger>() throws(DNSError) -> Number {
        try take(Number.bitWidth / 8).reduce(0) { $0 << 8 | Number($1) }
    }

    mutating func take(_ count: Int) throws(DNSError) -> ArraySlice<UInt8> {
        guard count >= 0, count <= end - position else { throw .short }
        defer { position += count }
        return bytes[position..<position + count]
    }

    /// A name, compressed or not. Each pointer must lead to before the part it stands in, so that none is followed twice.
    mutating func name() throws(DNSError) -> DNSName {
        var labels: [[UInt8]] = []
        var length = 1
        var at = position
        var limit = end
        var start = position
        var jumped = false
        while true {
            guard at < limit else { throw .short }
            let first = Int(bytes[at])
            switch first >> 6 {
            case 0:
                guard first <= limit - at - 1 else { throw .short }
                guard first > 0 else {
                    if !jumped { position = at + 1 }
                    guard let name = DNSName(labels: labels) else { throw .name }
                    return name
                }
                length += first + 1
                guard length <= DNSName.maximumLength else { throw .name }
                labels.append(Array(bytes[at + 1...at + first]))
                at += first + 1
            case 3:
                guard at + 1 < limit else { throw .short }
                let target = (first & 0x3F) << 8 | Int(bytes[at + 1])
                guard target < start, target >= 12 else { throw .name }
                if !jumped { position = at + 2 }
                jumped = true
                (at, start, limit) = (target, target, bytes.count)
            // The other two kinds were for experiments (RFC 6891 section 5).
            default: throw .name
            }
        }
    }

    mutating func records(_ count: UInt16) throws(DNSError) -> [DNSRecord] {
        var records: [DNSRecord] = []
        for _ in 0..<count {
            let header = try recordHeader()
            guard header.type != .opt else { throw .extensions }
            records.append(try record(header))
        }
        return records
    }

    mutating func records(
        _ count: UInt16, extensions: inout DNSMessage.Extensions?
    ) throws(DNSError) -> [DNSRecord] {
        var records: [DNSRecord] = []
        for _ in 0..<count {
            let header = try recordHeader()
            if header.type == .opt {
                guard extensions == nil, header.name.labels.isEmpty else { throw .extensions }
                extensions = try self.extensions(header)
            } else {
                records.append(try record(header))
            }
        }
        return records
    }

    private struct Header {
        let name: DNSName
        let type: DNSType
        let classCode: UInt16
        let ttl: UInt32
        let length: Int
    }

    private mutating func recordHeader() throws(DNSError) -> Header {
        let header = Header(
            name: try name(), type: DNSType(rawValue: try number()), classCode: try number(), ttl: try number(),
            length: Int(try number() as UInt16))
        guard header.length <= end - position else { throw .short }
        return header
    }

    private mutating func record(_ header: Header) throws(DNSError) -> DNSRecord {
        let messageEnd = end
        end = position + header.length
        let data = try data(header)
        guard position == end else { throw .data(header.type) }
        end = messageEnd
        // A time with its first bit set is none (RFC 2181 section 8).
        return DNSRecord(
            header.name, header.type, classCode: header.classCode, ttl: header.ttl > 0x7FFF_FFFF ? 0 : header.ttl,
            data: data)
    }

    private mutating func data(_ header: Header) throws(DNSError) -> DNSData {
        let type = header.type
        if let layout = NamedData.layout(of: type) {
            let prefix = Array(try take(layout.prefix))
            var names: [DNSName] = []
            for _ in 0..<layout.names { names.append(try name()) }
            return .names(NamedData(prefix: prefix, names: names, suffix: Array(try take(layout.suffix))))
        }
        switch type {
        case .a where header.classCode == DNSRecord.internet, .aaaa where header.classCode == DNSRecord.internet:
            guard header.length == (type == .a ? 4 : 16), let address = IPAddress(bytes: try take(header.length)) else {
                throw .data(type)
            }
            return .address(address)
        case .txt:
            var texts: [[UInt8]] = []
            while position < end { texts.append(Array(try take(Int(try number() as UInt8)))) }
            guard !texts.isEmpty else { throw .data(type) }
            return .texts(texts)
        case .svcb, .https: return .service(try serviceBinding(type))
        default: return .opaque(Array(try take(header.length)))
        }
    }

    private mutating func serviceBinding(_ type: DNSType) throws(DNSError) -> ServiceBinding {
        var binding = ServiceBinding(priority: try number(), target: try name())
        while position < end {
            let key: UInt16 = try number()
            guard key > binding.parameters.last?.key ?? 0 || binding.parameters.isEmpty else { throw .data(type) }
            let value = Array(try take(Int(try number() as UInt16)))
            guard key != ServiceBinding.mandatory || value.count % 2 == 0 && !value.isEmpty else { throw .data(type) }
            binding.parameters.append(.init(key: key, value: value))
        }
        return binding
    }

    private mutating func extensions(_ header: Header) throws(DNSError) -> DNSMessage.Extensions {
        let messageEnd = end
        end = position + header.length
        var extensions = DNSMessage.Extensions(
            packetSize: header.classCode, dnssecOK: header.ttl & 0x8000 != 0)
        extensions.highCode = UInt8(header.ttl >> 24)
        extensions.version = UInt8(header.ttl >> 16 & 255)
        while position < end {
            let code: UInt16 = try number()
            extensions.options.append(.init(code: code, data: Array(try take(Int(try number() as UInt16)))))
        }
        end = messageEnd
        return extensions
    }
}
