import NetworkAddress

/// A connection of TCP between the guest and some endpoint outside. Never used twice.
public struct ConnectionID: Hashable, Sendable {
    /// Its place in the stack's table.
    let index: UInt32
    /// Tells it from others that had the same place.
    let generation: UInt32
}

/// What a stack tells the gateway.
public enum StackEvent: Sendable, Equatable {
    /// The guest wants a connection: answer with `accept` or `refuse`.
    case requested(ConnectionID, from: Endpoint, to: Endpoint)
    /// The handshake is done, whoever began it.
    case established(ConnectionID)
    /// There are bytes to read. Not told again until some were read.
    case readable(ConnectionID)
    /// There is room again after a write found too little.
    case writable(ConnectionID)
    /// The guest has sent its last byte; there may be some left to read.
    case finished(ConnectionID)
    /// The connection is over and its id unknown. Told when everything has been read that came before the end.
    case closed(ConnectionID, CloseReason)
    /// A datagram of UDP.
    case datagram(Datagram)
    /// A ping, not of the gateway.
    case echo(EchoRequest)
    /// The guest's answer that nobody listens, to a datagram that was sent to it `from` an endpoint outside.
    case datagramRefused(from: Endpoint, to: Endpoint)
    /// What the stack itself dropped and should be seen.
    case refused(RefusedPacket)
    /// A packet of IP to one of `forwardedRanges`.
    case packet([UInt8])
}

/// How a connection ended.
public enum CloseReason: Sendable, Hashable {
    /// Both ends have sent and acknowledged everything.
    case closed
    /// The guest reset it.
    case reset
    /// The guest refused it.
    case refused
    /// The guest does not answer.
    case timedOut
    /// The guest says that it cannot be reached.
    case unreachable
}

/// How the gateway says no.
public enum Refusal: Sendable, Hashable {
    /// RST; of a datagram as `portUnreachable`.
    case reset
    /// Administratively prohibited (ICMP type 3 code 13, ICMPv6 type 1 code 1).
    case prohibited
    /// ICMP type 3 code 1, ICMPv6 type 1 code 3.
    case hostUnreachable
    /// ICMP type 3 code 0, ICMPv6 type 1 code 0.
    case networkUnreachable
    /// ICMP type 3 code 3, ICMPv6 type 1 code 4.
    case portUnreachable
    /// ICMP type 11 code 0, ICMPv6 type 3 code 0.
    case timeExceeded
    /// Nothing at all.
    case silent
}

/// A datagram of UDP (RFC 768) from the guest.
public struct Datagram: Sendable, Equatable {
    /// The guest's endpoint.
    public var from: Endpoint
    /// Where it is to go.
    public var to: Endpoint
    /// Its content.
    public var payload: [UInt8]
    /// What kind of address `to` is.
    public var destination: DestinationKind
    /// How many routers it may pass.
    public var hopLimit: UInt8
    /// The identification of its packet of IPv4, for errors that quote it.
    var identification: UInt16 = 0
}

/// Kinds of destinations.
public enum DestinationKind: Sendable, Hashable {
    case unicast, broadcast, multicast, linkLocal

    /// What kind an address is. Directed broadcasts of subnets are not known here.
    public init(_ address: IPAddress) {
        switch address {
        case .v4(let address):
            switch address.value >> 24 {
            case 224...239: self = .multicast
            case 255 where address.value == .max: self = .broadcast
            case 169 where address.value >> 16 == 0xA9FE: self = .linkLocal
            default: self = .unicast
            }
        case .v6(let address):
            self = address.high >> 56 == 0xFF ? .multicast : address.high >> 54 == 0x3FA ? .linkLocal : .unicast
        }
    }
}

/// A ping of the guest (RFC 792, RFC 4443 section 4.1).
public struct EchoRequest: Sendable, Equatable {
    /// The guest's address.
    public var from: IPAddress
    /// Who is asked.
    public var to: IPAddress
    /// By which the guest knows the answer.
    public var identifier: UInt16
    /// The count of the ping.
    public var sequence: UInt16
    /// What the answer is to repeat.
    public var payload: [UInt8]
    /// How many routers it may pass.
    public var hopLimit: UInt8
    /// The identification of its packet of IPv4, for errors that quote it.
    var identification: UInt16 = 0
}

/// A packet of the guest that the stack dropped.
public struct RefusedPacket: Sendable, Equatable {
    /// Why packets are dropped.
    public enum Reason: Sendable, Hashable {
        /// The source is none of the guest's addresses.
        case forgedSource
        /// A protocol other than TCP, UDP and ICMP.
        case unsupportedProtocol
        /// A message of ICMP that is no echo request.
        case unsupportedMessage
        /// A destination that no packet of this protocol may have, as a connection to a multicast address.
        case unsuitableDestination
        /// Too many connections, or too many that wait to be accepted.
        case tooManyConnections
    }

    /// Why it was dropped.
    public var reason: Reason
    /// The source that the packet claims.
    public var from: IPAddress
    /// Its destination.
    public var to: IPAddress
    /// The number of its protocol (https://www.iana.org/assignments/protocol-numbers).
    public var protocolNumber: UInt8
    /// The destination's port, where the protocol has ports and the packet was whole.
    public var port: UInt16?
}
