/// How much a sandbox's network may do.
public struct NetworkLimits: Sendable, Equatable, Codable {
    /// How fast one direction may be.
    public struct Rate: Sendable, Equatable, Codable {
        /// Bytes in a second, of whole Ethernet frames; `nil` for no limit.
        public var bytes: UInt64?
        /// Bytes that may go at once; `nil` for a tenth of a second's worth, at least one frame.
        public var burst: UInt64?
        /// Frames in a second; `nil` for no limit.
        public var packets: UInt64?

        /// A rate.
        public init(bytes: UInt64? = nil, burst: UInt64? = nil, packets: UInt64? = nil) {
            self.bytes = bytes
            self.burst = burst
            self.packets = packets
        }
    }

    /// From the sandbox.
    public var egress = Rate()
    /// To the sandbox.
    public var ingress = Rate()
    /// Connections and flows of datagrams at one time, 1...10,000.
    public var connections = 10_000
    /// New connections and flows in a second; `nil` for no limit.
    public var connectionsPerSecond: UInt64?

    /// No limits but those that keep the host whole.
    public init() {}
}
