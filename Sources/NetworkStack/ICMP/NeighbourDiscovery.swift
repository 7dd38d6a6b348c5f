import NetworkAddress

extension NetworkStack {
    /// Answers the guest's search for neighbours and, where that is configured, for a router (RFC 4861 sections 6 and 7).
    func receiveDiscovery(_ packet: IPPacket, at now: Instant) {
        let message = packet.payload
        // Nobody beyond the link can send this (section 7.1.1).
        guard packet.hopLimit == 255, message.u8(1) == 0, message.count >= 8 else {
            ignoredFrames += 1
            return
        }
        guard
            packet.source.isUnspecified || packet.source.isLinkLocal
                || configuration.guestAddresses.contains(packet.source)
        else { return }
        if message.u8(0) == ICMPv6.routerSolicitation {
            if configuration.advertisesRouter { advertiseRouter() }
            return
        }
        guard message.count >= 24 else {
            ignoredFrames += 1
            return
        }
        let target = IPAddress.v6(IPv6Address(high: message.u64(8), low: message.u64(16)))
        guard isNeighbour(target) || target == .v6(linkLocalAddress) else { return }
        advertise(target, to: packet.source)
    }

    /// The gateway's own address on the link, made of its Ethernet address (RFC 4291 appendix A).
    var linkLocalAddress: IPv6Address {
        let mac = configuration.gatewayMAC.value ^ 0x0200_0000_0000
        return IPv6Address(
            high: 0xFE80_0000_0000_0000, low: (mac >> 24) << 40 | 0xFF_FE00_0000 | mac & 0xFF_FFFF)
    }

    private static let allNodes = IPAddress.v6(IPv6Address(high: 0xFF02_0000_0000_0000, low: 1))

    /// Says that an address is the gateway's (RFC 4861 section 4.4).
    private func advertise(_ target: IPAddress, to asker: IPAddress) {
        // Who has no address yet is told with all the others, and not as an answer of its own (section 7.2.4).
        let destination = asker.isUnspecified ? Self.allNodes : asker
        let count = 32
        sendPacket(
            from: target, to: destination, protocolNumber: ProtocolNumber.icmpv6, count: count, hopLimit: 255
        ) { frame, offset in
            frame.set(offset, UInt32(ICMPv6.neighbourAdvertisement) << 24)
            // A router, solicited, and to override what was known.
            frame.set(offset + 4, asker.isUnspecified ? UInt32(0xA000_0000) : 0xE000_0000)
            frame.set(offset + 8, target)
            frame.set(offset + 24, UInt16(0x0201))
            frame.set(offset + 26, configuration.gatewayMAC)
            writeICMPChecksum(to: frame, at: offset, count: count, from: target, to: destination)
        }
    }

    /// Says that the gateway is a router, and which packets fit (RFC 4861 section 4.2). No prefixes: the guest has its
    /// addresses.
    private func advertiseRouter() {
        let source = IPAddress.v6(linkLocalAddress)
        let count = 32
        sendPacket(
            from: source, to: Self.allNodes, protocolNumber: ProtocolNumber.icmpv6, count: count, hopLimit: 255
        ) { frame, offset in
            frame.set(offset, UInt32(ICMPv6.routerAdvertisement) << 24)
            frame.set(offset + 4, UInt32(64) << 24 | 1800)
            frame.set(offset + 8, UInt64(0))
            frame.set(offset + 16, UInt16(0x0101))
            frame.set(offset + 18, configuration.gatewayMAC)
            frame.set(offset + 24, UInt32(0x0501_0000))
            frame.set(offset + 28, UInt32(truncatingIfNeeded: mtu))
            writeICMPChecksum(to: frame, at: offset, count: count, from: source, to: Self.allNodes)
        }
    }
}

extension IPAddress {
    /// `fe80::/10` or `169.254.0.0/16`
    var isLinkLocal: Bool { DestinationKind(self) == .linkLocal }
}
