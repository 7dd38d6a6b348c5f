import NetworkAddress

/// Public resolvers that answer over TLS, HTTPS or QUIC, where nobody sees the names.
///
/// No list of them is complete. It keeps programs from going round the gateway's DNS unknowingly, as browsers do; under a
/// list of what is allowed none is reached that is not on that list.
enum EncryptedResolvers {
    /// Names, each with all below it.
    static let names: [DomainName] = [
        "dns.google", "dns64.dns.google", "cloudflare-dns.com", "one.one.one.one", "dns.cloudflare.com",
        "cloudflare-gateway.com", "dns.quad9.net", "dns9.quad9.net", "dns10.quad9.net", "dns11.quad9.net",
        "dns12.quad9.net", "doh.opendns.com", "dns.opendns.com", "doh.umbrella.com", "dns.umbrella.com",
        "doh.familyshield.opendns.com", "dns.adguard-dns.com", "dns.adguard.com", "adguard-dns.com",
        "dns.nextdns.io", "dns1.nextdns.io", "dns2.nextdns.io", "doh.cleanbrowsing.org", "cleanbrowsing.org",
        "doh.mullvad.net", "dns.mullvad.net", "base.dns.mullvad.net", "dns.alidns.com", "doh.pub", "dot.pub",
        "doh.360.cn", "dns.twnic.tw", "dns0.eu", "zero.dns0.eu", "dns.controld.com", "freedns.controld.com",
        "doh.dns.sb", "dns.sb", "dot.sb", "doh.libredns.gr", "dns.digitale-gesellschaft.ch", "doh.ffmuc.net",
        "dot.ffmuc.net", "dns.njal.la", "anycast.dns.nextdns.io", "doh.xfinity.com", "doh.cox.net",
        "unfiltered.joindns4.eu", "protective.joindns4.eu", "wikimedia-dns.org", "doh.applied-privacy.net",
    ].compactMap { DomainName($0) }

    /// Addresses, which serve resolving and nothing else that matters.
    static let addresses: [AddressRange] = [
        "8.8.8.8", "8.8.4.4", "2001:4860:4860::8888", "2001:4860:4860::8844", "2001:4860:4860::64",
        "2001:4860:4860::6464", "1.1.1.1", "1.0.0.1", "1.1.1.2", "1.0.0.2", "1.1.1.3", "1.0.0.3",
        "2606:4700:4700::/48", "9.9.9.9", "149.112.112.112", "9.9.9.10", "149.112.112.10", "9.9.9.11",
        "149.112.112.11", "9.9.9.12", "149.112.112.12", "2620:fe::/48", "208.67.222.222", "208.67.220.220",
        "208.67.222.123", "208.67.220.123", "146.112.41.2", "146.112.41.3", "2620:119:35::/48", "2620:119:53::/48",
        "94.140.14.14", "94.140.15.15", "94.140.14.140", "94.140.14.141", "94.140.14.15", "94.140.15.16",
        "2a10:50c0::/32", "45.90.28.0/23", "45.90.30.0/24", "2a07:a8c0::/32", "2a07:a8c1::/32", "185.228.168.0/24",
        "185.228.169.0/24", "194.242.2.0/24", "223.5.5.5", "223.6.6.6", "2400:3200::1", "2400:3200:baba::1",
        "120.53.53.53", "1.12.12.12", "193.110.81.0", "185.253.5.0", "76.76.2.0/24", "76.76.10.0/24",
        "185.222.222.222", "45.11.45.11",
    ].compactMap { AddressRange($0) }

    /// Whether a name is one of theirs.
    static func contain(_ name: DomainName) -> Bool { names.contains { $0 == name || name.isBelow($0) } }

    /// Whether an address is one of theirs.
    static func contain(_ address: IPAddress) -> Bool { addresses.contains { $0.contains(address) } }

    /// Whether a port is for DNS over TLS (RFC 7858) or over QUIC (RFC 9250, and the ports of its drafts).
    static func use(_ transport: NetworkPolicy.Transport, _ port: UInt16) -> Bool {
        switch transport {
        case .tcp: port == 853
        case .udp: port == 853 || port == 784 || port == 8853
        case .icmp: false
        }
    }
}
