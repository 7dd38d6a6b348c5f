import NetworkStack

/// QUIC, of which an interceptor sees nothing.
enum QUIC {
    /// Whether a flow's first datagram begins a connection: sent to the port of HTTPS, or what a client says first
    /// (RFC 9000 sections 14.1 and 17.2.2, RFC 9369 for version 2).
    static func isSpoken(_ datagram: Datagram) -> Bool {
        if datagram.to.port == 443 { return true }
        let bytes = datagram.payload
        guard bytes.count >= 1200, bytes[0] & 0xC0 == 0xC0 else { return false }
        let version = bytes[1..<5].reduce(UInt32(0)) { $0 << 8 | UInt32($1) }
        return version == 1 || version == 0x6B33_43CF
    }
}
