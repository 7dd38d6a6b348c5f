import NetworkAddress

extension DNSMessage {
    /// The message in bytes, at most so many.
    ///
    /// Records that do not fit are left out from the end; the message then says that it is truncated, unless only additional records are missing (RFC 2181 section 9).
    public func encoded(limit: Int = maximumSize) -> [UInt8] {
        let limit = min(max(limit, Self.plainPacketSize), Self.maximumSize)
        let extensions = extensions.map(\.encoded) ?? []
        var writer = DNSWriter(limit: limit - extensions.count)
        writer.write(id)
        writer.write(flags.bits)
        writer.write(UInt16(question == nil ? 0 : 1))
        // The counts of records come when they are known.
        for _ in 0..<3 { writer.write(UInt16(0)) }
        if let question {
            writer.write(question.name, compressed: true)
            writer.write(question.type.rawValue)
            writer.write(question.classCode)
        }
        var counts: [UInt16] = [0, 0, 0]
        var isCut = false
        for (section, records) in [answers, authorities, additionals].enumerated() {
            for record in records where counts[section] < Self.maximumRecords {
                guard writer.write(record) else {
                    isCut = section < 2
                    break
                }
                counts[section] += 1
            }
            if isCut { break }
        }
        var bytes = writer.bytes + extensions
        var flags = flags
        flags.isTruncated = flags.isTruncated || isCut
        counts[2] += extensions.isEmpty ? 0 : 1
        bytes.replaceSubrange(2..<4, with: flags.bits.bytes)
        for (index, number) in counts.enumerated() {
            bytes.replaceSubrange(6 + 2 * index..<8 + 2 * index, with: number.bytes)
        }
        return bytes
    }
}

extension DNSMessage.Extensions {
    /// So many bytes that the header, the longest question and this fit into the smallest packet.
    private static let maximumOptions = 128

    /// As an OPT record; options for which there is no room are left out.
    fileprivate var encoded: [UInt8] {
        var data: [UInt8] = []
        for option in options where data.count + option.data.count + 4 <= Self.maximumOptions {
            data += option.code.bytes + UInt16(option.data.count).bytes + option.data
        }
        return [0] + DNSType.opt.rawValue.bytes + packetSize.bytes + [highCode, version, dnssecOK ? 0x80 : 0, 0]
            + UInt16(data.count).bytes + data
    }
}

/// Writes parts of a message, with names compressed where they may be (RFC 1035 section 4.1.4).
private struct DNSWriter {
    var bytes: [UInt8] = []
    let limit: Int
    /// Where the ends of names stand that a pointer can reach.
    private var offsets: [ArraySlice<[UInt8]>: Int] = [:]

    init(limit: Int) { self.limit = limit }

    mutating func write(_ number: UInt16) { bytes += number.bytes }

    mutating func write(_ name: DNSName, compressed: Bool) {
        let folded = name.folded
        for (index, label) in name.labels.enumerated() {
            if compressed, let offset = offsets[folded[index...]] {
                write(0xC000 | UInt16(offset))
                return
            }
            if bytes.count < 0x4000 { offsets[folded[index...]] = offsets[folded[index...]] ?? bytes.count }
            bytes.append(UInt8(label.count))
            bytes += label
        }
        bytes.append(0)
    }

    /// Writes a record; without a trace when it does not fit.
    mutating func write(_ record: DNSRecord) -> Bool {
        let before = bytes.count
        write(record.name, compressed: true)
        write(record.type.rawValue)
        write(record.classCode)
        write(UInt16(record.ttl >> 16))
        write(UInt16(record.ttl & 0xFFFF))
        let lengthAt = bytes.count
        write(0)
        let fits = write(record.data, of: record.type)
        let length = bytes.count - lengthAt - 2
        guard fits, bytes.count <= limit, length <= 0xFFFF else {
            bytes.removeLast(bytes.count - before)
            offsets = offsets.filter { $0.value < before }
            return false
        }
        bytes.replaceSubrange(lengthAt..<lengthAt + 2, with: UInt16(length).bytes)
        return true
    }

    /// Writes data; false when a part is longer than its length can say.
    private mutating func write(_ data: DNSData, of type: DNSType) -> Bool {
        switch data {
        case .address(let address): bytes += address.bytes
        case .names(let data):
            bytes += data.prefix
            for name in data.names { write(name, compressed: NamedData.isCompressed(in: type)) }
            bytes += data.suffix
        case .texts(let texts):
            for text in texts {
                guard text.count <= 255 else { return false }
                bytes.append(UInt8(text.count))
                bytes += text
            }
        case .service(let binding):
            write(binding.priority)
            write(binding.target, compressed: false)
            for parameter in binding.parameters {
                guard parameter.value.count <= 0xFFFF else { return false }
                write(parameter.key)
                write(UInt16(parameter.value.count))
                bytes += parameter.value
            }
        case .opaque(let data): bytes += data
        }
        return true
    }
}
