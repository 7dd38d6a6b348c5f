import LinuxSystem

/// Something that a sandbox's network refused, or let pass where that is recorded too. One JSON object a line in the
/// sandbox's `network.log`.
public struct NetworkEvent: Codable, Equatable, Sendable {
    /// What became of it.
    public enum Action: String, Codable, Sendable, CaseIterable {
        /// It was refused.
        case deny
        /// It was let pass.
        case allow
        /// A connection that was let pass has ended.
        case close
        /// Events were left out since there were too many: ``count`` of them.
        case leftOut = "left-out"
    }

    /// Who began.
    public enum Direction: String, Codable, Sendable {
        /// The sandbox.
        case egress
        /// The outside.
        case ingress
    }

    /// Nanoseconds since 1970-01-01 00:00 UTC.
    public var time: UInt64
    /// The sandbox's id.
    public var id: String
    /// What became of it.
    public var action: Action
    /// Who began.
    public var direction: Direction?
    /// `tcp`, `udp`, `icmp`, `dns`, or `ip` for anything else.
    public var `protocol`: String?
    /// The address outside.
    public var address: String?
    /// The port outside; of what came in that of the sandbox.
    public var port: UInt16?
    /// The name that was asked for, or claimed in a handshake.
    public var name: String?
    /// The rule that decided.
    public var rule: String?
    /// What else there is to say.
    public var detail: String?
    /// Bytes that went out over a connection.
    public var bytesOut: UInt64?
    /// Bytes that came in over a connection.
    public var bytesIn: UInt64?
    /// How many events were left out.
    public var count: Int?

    /// Something that happens now.
    public init(_ action: Action, _ id: String, _ direction: Direction? = nil, _ protocol: String? = nil) {
        time = HostClock.wall
        self.id = id
        self.action = action
        self.direction = direction
        self.protocol = `protocol`
    }
}
