import NetworkAddress

extension NetworkStack {
    /// Sends a packet of `count` bytes behind its header of IP, which `body` writes from the offset that it is given. It
    /// must fit into the MTU. Whether it was sent or waits for the link.
    @discardableResult
    func sendPacket(
        from source: IPAddress, to destination: IPAddress, protocolNumber: UInt8, count: Int,
        hopLimit: UInt8 = IPv4Header.hopLimit, _ body: (FrameBytes, Int) -> Void
    ) -> Bool {
        guard count >= 0, source.headerLength + count <= mtu, source.isV4 == destination.isV4 else { return false }
        return send(type: source.isV4 ? Ethernet.ipv4 : Ethernet.ipv6, count: source.headerLength + count) {
            frame, offset in
            let payload = writeHeader(
                to: frame, at: offset, from: source, to: destination, protocolNumber: protocolNumber, count: count,
                hopLimit: hopLimit)
            body(frame, payload)
        }
    }

    /// Writes a header of IP; where the payload begins.
    @inline(__always)
    func writeHeader(
        to frame: FrameBytes, at offset: Int, from source: IPAddress, to destination: IPAddress,
        protocolNumber: UInt8, count: Int, hopLimit: UInt8 = IPv4Header.hopLimit
    ) -> Int {
        switch (source, destination) {
        case (.v4(let source), .v4(let destination)):
            IPv4Header.write(
                to: frame, at: offset, from: source, to: destination, protocolNumber: protocolNumber,
                payloadLength: count, hopLimit: hopLimit)
            return offset + IPv4Header.minimumLength
        case (.v6(let source), .v6(let destination)):
            IPv6Header.write(
                to: frame, at: offset, from: source, to: destination, nextHeader: protocolNumber, payloadLength: count,
                hopLimit: hopLimit)
            return offset + IPv6Header.length
        default: return offset
        }
    }

    /// Sends a payload, in fragments when it is too long for one packet. Whether all was sent or waits for the link.
    func sendPayload(_ payload: [UInt8], from source: IPAddress, to destination: IPAddress, protocolNumber: UInt8)
        -> Bool
    {
        payload.withUnsafeBytes { bytes in
            if source.headerLength + bytes.count <= mtu {
                return sendPacket(
                    from: source, to: destination, protocolNumber: protocolNumber, count: bytes.count
                ) { $0.copy(bytes, to: $1) }
            }
            identification &+= 1
            let step = (mtu - IPv6Header.length - IPv6Header.fragmentHeaderLength) / 8 * 8
            for start in stride(from: 0, to: bytes.count, by: step) {
                let part = PacketBytes(bytes).part(start, step)
                let moreFragments = start + part.count < bytes.count
                let isSent = sendFragment(
                    part, offset: start, moreFragments: moreFragments, from: source, to: destination,
                    protocolNumber: protocolNumber)
                guard isSent else { return false }
            }
            return true
        }
    }

    private func sendFragment(
        _ part: PacketBytes, offset fragmentOffset: Int, moreFragments: Bool, from source: IPAddress,
        to destination: IPAddress, protocolNumber: UInt8
    ) -> Bool {
        switch (source, destination) {
        case (.v4(let source), .v4(let destination)):
            send(type: Ethernet.ipv4, count: IPv4Header.minimumLength + part.count) { frame, offset in
                IPv4Header.write(
                    to: frame, at: offset, from: source, to: destination, protocolNumber: protocolNumber,
                    payloadLength: part.count, identification: UInt16(truncatingIfNeeded: identification),
                    fragmentOffset: fragmentOffset, moreFragments: moreFragments, mayFragment: true)
                frame.copy(part.buffer, to: offset + IPv4Header.minimumLength)
            }
        case (.v6(let source), .v6(let destination)):
            send(type: Ethernet.ipv6, count: IPv6Header.length + IPv6Header.fragmentHeaderLength + part.count) {
                frame, offset in
                IPv6Header.write(
                    to: frame, at: offset, from: source, to: destination, nextHeader: ProtocolNumber.fragment,
                    payloadLength: IPv6Header.fragmentHeaderLength + part.count)
                IPv6Header.writeFragment(
                    to: frame, at: offset + IPv6Header.length, nextHeader: protocolNumber,
                    fragmentOffset: fragmentOffset, moreFragments: moreFragments, identification: identification)
                frame.copy(part.buffer, to: offset + IPv6Header.length + IPv6Header.fragmentHeaderLength)
            }
        default: false
        }
    }

    /// Sends a packet of IP to the guest as it is, with its header; for those of `forwardedRanges`. Whether it was sent or
    /// waits for the link: not when it is no packet or longer than the MTU.
    @discardableResult
    public func sendPacket(_ packet: UnsafeRawBufferPointer, at now: Instant) -> Bool {
        let bytes = PacketBytes(packet)
        guard bytes.count >= IPv4Header.minimumLength, bytes.count <= mtu else { return false }
        let type: UInt16
        switch bytes.u8(0) >> 4 {
        case 4: type = Ethernet.ipv4
        case 6: type = Ethernet.ipv6
        default: return false
        }
        return send(type: type, count: bytes.count) { $0.copy(packet, to: $1) }
    }
}
