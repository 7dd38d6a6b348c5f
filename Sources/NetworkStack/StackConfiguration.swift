import NetworkAddress

/// What a stack is told about its one guest.
public struct StackConfiguration: Sendable {
    /// The Ethernet address of everything that is not the guest.
    public var gatewayMAC: MACAddress
    /// The guest's Ethernet address. Frames from another one are ignored.
    public var guestMAC: MACAddress
    /// The source addresses that the guest may use. A packet from any other is dropped and told. (Its link-local address
    /// of IPv6 may be any; neighbour discovery alone is answered for it.)
    public var guestAddresses: [IPAddress]
    /// Addresses of the gateway itself: the stack answers their pings, and errors of ICMP come from the first of the
    /// fitting version.
    public var gatewayAddresses: [IPAddress]
    /// The largest packet of IP, in bytes, both ways: from 1280 to 65520.
    public var mtu = 65520
    /// Neighbours on the same link: ARP and neighbour discovery are answered for them, as for the gateway.
    public var localRanges: [AddressRange] = []
    /// Packets to these go up whole, as `StackEvent.packet`, instead of ending here.
    public var forwardedRanges: [AddressRange] = []
    /// Whether solicitations of routers (RFC 4861) are answered; without, the guest must be configured otherwise.
    public var advertisesRouter = false
    /// What the guest may use up.
    public var limits = StackLimits()
    /// Where initial sequence numbers (RFC 6528), ports and identifications come from: random, and secret from the guest.
    public var seed: (UInt64, UInt64)

    /// A configuration with these addresses and the usual limits. The seed must be random and secret from the guest.
    public init(
        gatewayMAC: MACAddress, guestMAC: MACAddress, guestAddresses: [IPAddress], gatewayAddresses: [IPAddress],
        seed: (UInt64, UInt64)
    ) {
        self.gatewayMAC = gatewayMAC
        self.guestMAC = guestMAC
        self.guestAddresses = guestAddresses
        self.gatewayAddresses = gatewayAddresses
        self.seed = seed
    }
}

/// Bounds of what a stack keeps, and for how long. Sizes in bytes, times in nanoseconds.
public struct StackLimits: Sendable {
    /// Connections of TCP, those not yet accepted included.
    public var connections = 10_000
    /// Connections that the gateway has not yet accepted or refused.
    public var requests = 1024
    /// Closed connections that are remembered (TIME-WAIT); the oldest makes room.
    public var closedConnections = 4096
    /// What one connection may keep unread, which its window follows.
    public var receiveBuffer = 1 << 20
    /// What one connection may keep unsent and unacknowledged.
    public var sendBuffer = 1 << 20
    /// The buffers of all connections.
    public var totalBuffers = 256 << 20
    /// Datagrams being put together from fragments; the oldest makes room.
    public var fragmentedDatagrams = 64
    /// The bytes of all of them.
    public var fragmentBytes = 4 << 20
    /// Frames that wait for the link, other than those of connections; what comes beyond is dropped.
    public var waitingFrameBytes = 1 << 20
    /// Datagrams, pings and forwarded packets that wait for the gateway; what comes beyond is dropped.
    public var waitingDatagramBytes = 4 << 20
    /// Refusals that wait to be told; what comes beyond is counted.
    public var waitingRefusals = 256
    /// How long an acknowledgement waits for company.
    public var acknowledgementDelay: UInt64 = .milliseconds(2)
    /// How long data stays unacknowledged, or a zero window unanswered, before the connection is given up.
    public var retransmission: UInt64 = .seconds(120)
    /// The same for the handshake.
    public var handshake: UInt64 = .seconds(30)
    /// How long a closed connection is remembered.
    public var timeWait: UInt64 = .seconds(60)
    /// How long the fragments of a datagram are kept.
    public var reassembly: UInt64 = .seconds(30)
    /// How long what came before the guest's reset waits to be read.
    public var unreadAfterReset: UInt64 = .seconds(10)

    /// The usual limits.
    public init() {}
}
