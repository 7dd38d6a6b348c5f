import NetworkAddress
import NetworkPolicy
import NetworkStack

extension Judge {
    /// Judges a flow between the guest and another member of a private network.
    ///
    /// Who is in a network is let in by that: the policy's defaults are about all others, and so are its rules by name. A
    /// rule that denies the address, by range or group, holds; so does one that looks into connections for TLS or HTTP, which
    /// are not looked into here.
    /// - Parameter isGuests: whether the guest has begun.
    func member(_ flow: ForwardedFlow, isGuests: Bool) -> (isAllowed: Bool, rule: String) {
        let connection = NetworkPolicy.Connection(
            isGuests ? .egress : .ingress, flow.transport, flow.peer.address,
            port: flow.transport == .icmp ? 0 : isGuests ? flow.peer.port : flow.guest.port)
        var rule = "private network"
        for claim in [NetworkPolicy.Claim.other, .tls(nil), .http(nil)] {
            let ruling = self.claim(claim, by: connection)
            guard ruling.reason == .rule else { continue }
            if ruling.action == .deny { return (false, ruling.told) }
            rule = ruling.told
        }
        return (true, rule)
    }
}

extension ForwardedFlow {
    /// What the policy calls it.
    var transport: NetworkPolicy.Transport {
        switch kind {
        case .tcp: .tcp
        case .udp: .udp
        case .guestEcho, .peerEcho: .icmp
        }
    }

    /// The port that events tell: the one that was called.
    func port(_ isGuests: Bool) -> UInt16 { transport == .icmp ? 0 : isGuests ? peer.port : guest.port }
}

extension ForwardedPacket {
    /// What events call it.
    var transport: String {
        switch protocolNumber {
        case 6: "tcp"
        case 17: "udp"
        case 1, 58: "icmp"
        default: "ip"
        }
    }

    /// Whether it is of TCP, whose refusal is a reset.
    var isSegment: Bool { if case .tcp = content { true } else { false } }
}
