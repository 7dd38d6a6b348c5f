import NetworkAddress
import Testing

@testable import NetworkPolicy

@Suite("Groups of addresses")
struct AddressGroupTests {
    @Test(
        "an address is in the groups of its kind, and in no other",
        arguments: [
            ("1.2.3.4", "public"), ("192.0.2.1", "public"), ("198.51.100.1", "public"), ("203.0.113.255", "public"),
            ("2001:db8::1", "public"), ("2606:4700::1", "public"), ("3fff::1", "public"), ("9.255.255.255", "public"),
            ("11.0.0.0", "public"), ("172.15.255.255", "public"), ("172.32.0.0", "public"),
            ("100.63.255.255", "public"),
            ("100.128.0.0", "public"), ("198.17.255.255", "public"), ("198.20.0.0", "public"), ("192.0.1.0", "public"),
            ("223.255.255.255", "public"), ("128.0.0.0", "public"), ("126.255.255.255", "public"),
            ("10.0.0.0", "private"), ("10.255.255.255", "private"), ("172.16.0.0", "private"),
            ("172.31.255.255", "private"), ("192.168.0.0", "private"), ("fc00::", "private"), ("fdff::1", "private"),
            ("fec0::1", "private"), ("127.0.0.2", "loopback host"), ("127.0.0.1", "loopback host"),
            ("::1", "loopback host"), ("169.254.0.1", "link-local"), ("fe80::1", "link-local"),
            ("febf::1", "link-local"), ("169.254.169.254", "link-local metadata"),
            ("169.254.170.2", "link-local metadata"), ("fd00:ec2::254", "private metadata"),
            ("fd20:ce::254", "private metadata"), ("168.63.129.16", "metadata"),
            ("100.100.100.200", "metadata carrier-nat"), ("192.0.0.192", "metadata reserved"),
            ("100.64.0.1", "carrier-nat"), ("100.127.255.255", "carrier-nat"), ("224.0.0.1", "multicast"),
            ("239.255.255.255", "multicast"), ("ff02::1", "multicast"), ("0.0.0.0", "reserved host"),
            ("0.1.2.3", "reserved"), ("192.0.0.8", "reserved"), ("192.88.99.1", "reserved"), ("198.18.0.1", "reserved"),
            ("198.19.255.255", "reserved"), ("240.0.0.1", "reserved"), ("255.255.255.255", "reserved"),
            ("::", "reserved host"), ("2001::1", "reserved"), ("2001:1ff::", "reserved"), ("2001:200::", "public"),
            ("100::1", "reserved"), ("5f00::1", "reserved"), ("4000::1", "reserved"), ("192.168.7.2", "private host"),
            ("198.51.100.7", "host"), ("2001:db8:7::2", "host"), ("fe80::7", "link-local host"),
            ("10.77.0.3", "private sandboxes"), ("fd77::3", "private sandboxes"),
            // Forms of addresses of IPv4.
            ("::ffff:1.2.3.4", "public"), ("64:ff9b::1.2.3.4", "public"), ("2002:102:304::1", "public"),
            ("::1.2.3.4", "public"), ("::ffff:10.0.0.1", "private"), ("64:ff9b::10.0.0.1", "private"),
            ("2002:a00:1::", "private"), ("::10.0.0.1", "private"), ("::ffff:127.0.0.1", "loopback host"),
            ("64:ff9b::127.0.0.1", "loopback host"), ("::ffff:169.254.169.254", "link-local metadata"),
            ("2002:a9fe:a9fe::1", "link-local metadata"), ("64:ff9b::168.63.129.16", "metadata"),
            ("::ffff:198.51.100.7", "host"), ("64:ff9b::198.51.100.7", "host"), ("2002:c633:6407::", "host"),
            ("::ffff:0.0.0.0", "reserved host"), ("64:ff9b:1::1.2.3.4", "reserved"),
            ("64:ff9b:1::10.0.0.1", "private reserved"), ("::ffff:224.0.0.1", "multicast"),
            ("::ffff:10.77.0.3", "private sandboxes"), ("::ffff:0:1.2.3.4", "reserved"),
        ])
    func groups(text: String, groups: String) throws {
        let judged = JudgedAddress(try #require(IPAddress(text)), in: Notation.surroundings)
        let found = NetworkPolicy.Group.allCases.filter { judged.isIn($0) }.map(\.rawValue).sorted()
        #expect(found == groups.split(separator: " ").map(String.init).sorted())
    }

    @Test("every range of the metadata services and of resolvers is read")
    func tables() {
        #expect(SpecialAddresses.metadata.count == 12)
        #expect(EncryptedResolvers.addresses.count > 50 && EncryptedResolvers.names.count > 40)
    }
}
