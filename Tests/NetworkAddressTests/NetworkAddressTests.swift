import NetworkAddress
import Testing

@Suite("Addresses and names")
struct NetworkAddressTests {
    @Test(
        "an address is read from its text and written as it is usual",
        arguments: [
            ("192.0.2.1", "192.0.2.1"), ("0.0.0.0", "0.0.0.0"), ("2001:DB8::0:1", "2001:db8::1"), ("::", "::"),
            ("::ffff:192.0.2.1", "::ffff:192.0.2.1"),
        ])
    func address(text: String, written: String) throws {
        let address = try #require(IPAddress(text))
        #expect("\(address)" == written)
        #expect(IPAddress(bytes: address.bytes) == address)
    }

    @Test(
        "what is no address is none",
        arguments: [
            "", "1", "1.2.3", "1.2.3.256", "01.2.3.4", "0x7f.0.0.1", "1.2.3.4 ", "::1%eth0", "[::1]", "1.2.3.4\u{0}",
            "fe80:::1",
        ])
    func noAddress(text: String) { #expect(IPAddress(text) == nil) }

    @Test(
        "an IPv4 address is seen in each form of IPv6 that leads to it",
        arguments: [
            "::ffff:10.1.2.3", "::10.1.2.3", "64:ff9b::10.1.2.3", "64:ff9b:1::10.1.2.3", "2002:a01:203::1",
        ])
    func embedded(text: String) throws {
        guard case .v6(let address)? = IPAddress(text) else {
            Issue.record("no address of IPv6")
            return
        }
        #expect(address.embeddedIPv4 == IPv4Address(10, 1, 2, 3))
    }

    @Test("no IPv4 address is seen in others", arguments: ["::", "::1", "2001:db8::a01:203", "fe80::a01:203"])
    func notEmbedded(text: String) throws {
        guard case .v6(let address)? = IPAddress(text) else {
            Issue.record("no address of IPv6")
            return
        }
        #expect(address.embeddedIPv4 == nil)
    }

    @Test(
        "a range has the addresses that begin like it",
        arguments: [
            ("10.0.0.0/8", "10.255.255.255", "11.0.0.0"), ("0.0.0.0/0", "255.1.2.3", "::1"),
            ("192.0.2.1", "192.0.2.1", "192.0.2.0"), ("fe80::/10", "febf::1", "fec0::1"),
            ("2001:db8::/65", "2001:db8:0:0:7fff::1", "2001:db8:0:0:8000::"), ("::/0", "::1", "127.0.0.1"),
        ])
    func range(text: String, inside: String, outside: String) throws {
        let range = try #require(AddressRange(text))
        #expect("\(range)" == text)
        #expect(range.contains(try #require(IPAddress(inside))))
        #expect(!range.contains(try #require(IPAddress(outside))))
    }

    @Test(
        "what is no range is none",
        arguments: ["10.0.0.1/8", "10.0.0.0/33", "::/129", "10.0.0.0/", "10.0.0.0/-1", "10.0.0.0/+8"])
    func noRange(text: String) { #expect(AddressRange(text) == nil) }

    @Test("a name is read in lower case, without the dot at its end")
    func name() throws {
        #expect(DomainName("API.Example.com.")?.text == "api.example.com")
        #expect(DomainName("_dmarc.example.com")?.labels == ["_dmarc", "example", "com"])
        let name = try #require(DomainName("a.example.com"))
        let parent = try #require(DomainName("example.com"))
        #expect(name.isBelow(parent) && name.isBelow(.root) && !parent.isBelow(parent))
        #expect(!(try #require(DomainName("badexample.com"))).isBelow(parent))
    }

    @Test(
        "what is no name is none",
        arguments: [
            "", ".", "a..b", ".a", "a b", "1.2.3.4", "ä.example", String(repeating: "a", count: 64),
            String(repeating: "aaa.", count: 64) + "com",
        ])
    func noName(text: String) { #expect(DomainName(text) == nil) }
}
