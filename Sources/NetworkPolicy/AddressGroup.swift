import NetworkAddress

extension NetworkPolicy {
    /// Addresses of a kind, by the name that rules give them.
    public enum Group: String, Hashable, Sendable, CaseIterable {
        /// The internet: what is in no other group. The ranges for documentation count as public.
        case `public`
        /// Networks of one's own: RFC 1918, `fc00::/7` (RFC 4193), the old site-local addresses.
        case `private`
        /// `127.0.0.0/8`, `::1`: of the host, since what a sandbox sends to its own loopback never leaves it.
        case loopback
        /// `169.254.0.0/16`, `fe80::/10`.
        case linkLocal = "link-local"
        /// Where clouds give instances their credentials and settings: `169.254.169.254` and its neighbours, `fd00:ec2::/32`,
        /// `fd20:ce::254`, `168.63.129.16`, `100.100.100.200` and others.
        case metadata
        /// `100.64.0.0/10` (RFC 6598).
        case carrierNAT = "carrier-nat"
        /// `224.0.0.0/4`, `ff00::/8`.
        case multicast
        /// Addresses that nobody has, or that lead elsewhere than they say: `0.0.0.0/8`, `192.0.0.0/24`,
        /// `198.18.0.0/15`, `240.0.0.0/4`, Teredo, all of IPv6 that is not given out.
        case reserved
        /// Every address of any interface of the host at that moment.
        case host
        /// The other sandboxes of the private networks that this one is in.
        case sandboxes
    }

    /// What the groups `host` and `sandboxes` mean at this moment.
    public struct Surroundings: Hashable, Sendable {
        /// Every address of any interface of the host.
        public var hostAddresses: Set<IPAddress>
        /// The addresses of the sandboxes in this one's private networks.
        public var sandboxAddresses: Set<IPAddress>

        /// A host of these addresses, with these sandboxes near.
        public init(hostAddresses: Set<IPAddress> = [], sandboxAddresses: Set<IPAddress> = []) {
            self.hostAddresses = hostAddresses
            self.sandboxAddresses = sandboxAddresses
        }
    }
}
