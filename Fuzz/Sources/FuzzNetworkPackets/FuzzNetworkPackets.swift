import NetworkAddress

@testable import NetworkStack

/// Reads a guest's bytes with each parser of the stack; the first byte says which. What a parser says of lengths must
/// fit what there is.
@c(LLVMFuzzerTestOneInput)
public func fuzzNetworkPackets(_ bytes: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
    let input = PacketBytes(UnsafeRawBufferPointer(start: bytes, count: count))
    let packet = input.part(1)
    switch input.u8(0) % 8 {
    case 0: _ = ARPPacket(packet)
    case 1:
        guard let header = IPv4Header(packet) else { break }
        precondition(header.length <= header.totalLength && header.totalLength <= packet.count)
    case 2:
        guard let header = IPv6Header(packet) else { break }
        precondition(header.totalLength <= packet.count)
        switch header.content {
        case .payload(_, let offset), .fragment(_, let offset): precondition(offset <= header.totalLength)
        }
    case 3:
        guard let header = TCPHeader(packet) else { break }
        precondition(header.length <= packet.count && header.options.blockCount <= TCPOptions.blockLimit)
    case 4: fuzzUDP(packet)
    case 5: fuzzFragments(packet)
    case 6: fuzzChecksum(packet)
    default: fuzzRanges(packet)
    }
    return 0
}

private func fuzzUDP(_ packet: PacketBytes) {
    let v6 = IPAddress.v6(IPv6Address(high: 1, low: 2))
    let v4 = IPAddress.v4(IPv4Address(1))
    for address in [v4, v6] {
        let whole = IPPacket(
            source: address, destination: address, protocolNumber: 17, hopLimit: 1, identification: 0, payload: packet)
        if let header = UDPHeader(whole) {
            precondition(header.totalLength >= UDPHeader.length && header.totalLength <= packet.count)
        }
    }
}

/// Fragments of a few datagrams: what is put together must be what the pieces were, and within the bounds.
private func fuzzFragments(_ packet: PacketBytes) {
    var limits = StackLimits()
    limits.fragmentedDatagrams = 3
    limits.fragmentBytes = 100_000
    var reassembly = Reassembly(limits)
    var place = 0
    var now = Instant(nanoseconds: 0)
    while place + 8 <= packet.count {
        let length = Int(packet.u8(place + 3))
        now = now.advanced(by: UInt64(packet.u8(place + 4)) * 100_000_000)
        let key = Reassembly.Key(
            source: .v4(IPv4Address(1)), destination: .v4(IPv4Address(2)),
            identification: UInt32(packet.u8(place) % 5), protocolNumber: 17)
        let whole = reassembly.add(
            packet.part(place + 8, length), offset: Int(packet.u16(place + 1) & 0x1FFF) * 8,
            moreFragments: packet.u8(place + 5) & 1 == 1, nextHeader: 17, hopLimit: 1, key: key, at: now)
        if let whole { precondition(whole.bytes.count <= 65535) }
        precondition(reassembly.count <= 3 && reassembly.byteCount <= 100_000 && reassembly.byteCount >= 0)
        place += 8 + length
    }
    reassembly.expire(now.advanced(by: limits.reassembly))
    precondition(reassembly.count == 0 && reassembly.byteCount == 0, "fragments stayed for ever")
}

/// The sum of words of eight bytes, and that of the copy, are those of words of two.
private func fuzzChecksum(_ packet: PacketBytes) {
    var simple: UInt32 = 0
    for offset in stride(from: 0, to: packet.count, by: 2) {
        simple += UInt32(packet.u16(offset))
        if offset + 1 == packet.count { simple += UInt32(packet.u8(offset)) << 8 }
        simple = (simple & 0xFFFF) + (simple >> 16)
    }
    var whole = Checksum()
    whole.add(packet)
    precondition(UInt16(bigEndian: whole.field) == ~UInt16(truncatingIfNeeded: simple), "another sum")
    let split = packet.count / 3
    var copy = [UInt8](repeating: 0, count: packet.count)
    var parts = Checksum()
    copy.withUnsafeMutableBytes {
        let frame = FrameBytes($0)
        parts.add(sum: frame.copySumming(packet.part(0, split).buffer, to: 0), isOdd: false)
        parts.add(sum: frame.copySumming(packet.part(split).buffer, to: split), isOdd: split % 2 == 1)
    }
    precondition(copy.elementsEqual(packet.buffer), "another copy")
    precondition(parts.field == whole.field || packet.count == 0, "another sum of parts")
}

/// Ranges out of order stay in order, apart and few.
private func fuzzRanges(_ packet: PacketBytes) {
    var ranges = SequenceRanges()
    let start = SequenceNumber(packet.u32(0))
    for place in stride(from: 4, to: packet.count, by: 3) {
        let from = start + Int(packet.u16(place))
        if packet.u8(place + 2) == 0 {
            ranges.removeAll(before: from)
        } else {
            _ = ranges.insert(SequenceRange(start: from, end: from + Int(packet.u8(place + 2))))
        }
        precondition(ranges.ranges.count <= SequenceRanges.limit)
        for (one, other) in zip(ranges.ranges, ranges.ranges.dropFirst()) {
            precondition(one.count > 0 && other.count > 0 && one.end < other.start, "ranges touch")
        }
    }
}
