/// An address and a port of TCP or UDP.
public struct Endpoint: Hashable, Sendable, CustomStringConvertible {
    /// Where the host is.
    public var address: IPAddress
    /// Which of its ports.
    public var port: UInt16

    /// An address and a port.
    public init(_ address: IPAddress, _ port: UInt16) {
        self.address = address
        self.port = port
    }

    /// `192.0.2.1:80` or `[2001:db8::1]:80`
    public var description: String { address.isV4 ? "\(address):\(port)" : "[\(address)]:\(port)" }
}
