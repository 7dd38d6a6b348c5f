import NetworkAddress

/// A question of who has an address of IPv4, or an answer (RFC 826), for Ethernet.
struct ARPPacket {
    static let length = 28
    static let request: UInt16 = 1
    static let reply: UInt16 = 2

    var operation: UInt16
    var senderMAC: MACAddress
    var sender: IPv4Address
    var target: IPv4Address

    /// Reads a packet; `nil` when it is none of IPv4 over Ethernet.
    init?(_ packet: PacketBytes) {
        guard packet.count >= Self.length, packet.u16(0) == 1, packet.u16(2) == Ethernet.ipv4, packet.u16(4) == 0x0604
        else { return nil }
        operation = packet.u16(6)
        senderMAC = packet.mac(8)
        sender = IPv4Address(packet.u32(14))
        target = IPv4Address(packet.u32(24))
    }
}

extension NetworkStack {
    /// Answers the guest's questions for the addresses of its link, among them probes (RFC 5227) of addresses that are
    /// not its own.
    func receiveARP(_ packet: PacketBytes, at now: Instant) {
        guard let packet = ARPPacket(packet), packet.senderMAC == configuration.guestMAC else {
            ignoredFrames += 1
            return
        }
        guard packet.sender.value == 0 || configuration.guestAddresses.contains(.v4(packet.sender)) else {
            tell(
                RefusedPacket(
                    reason: .forgedSource, from: .v4(packet.sender), to: .v4(packet.target), protocolNumber: 0))
            return
        }
        guard packet.operation == ARPPacket.request, isNeighbour(.v4(packet.target)) else { return }
        send(type: Ethernet.arp, count: ARPPacket.length) { frame, offset in
            frame.set(offset, UInt16(1))
            frame.set(offset + 2, Ethernet.ipv4)
            frame.set(offset + 4, UInt16(0x0604))
            frame.set(offset + 6, ARPPacket.reply)
            frame.set(offset + 8, configuration.gatewayMAC)
            frame.set(offset + 14, packet.target.value)
            frame.set(offset + 18, packet.senderMAC)
            frame.set(offset + 24, packet.sender.value)
        }
    }
}
