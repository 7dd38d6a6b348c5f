import NetworkAddress
import NetworkPolicy
import Testing

@testable import Gateway

@Suite("The names that the host keeps")
struct HostsFileTests {
    @Test("a name has the addresses of all its lines")
    func addresses() throws {
        let text = """
            # proxy.example.com in a comment
            127.0.0.1\tlocalhost
            192.0.2.40   other PROXY.example.com. # not this: away.example.com
            2001:db8::40 proxy.example.com
            nonsense proxy.example.com
            192.0.2.41
            fe80::1%eth0 proxy.example.com
            """
        let name = try #require(DomainName("proxy.example.com"))
        #expect(HostsFile.addresses(of: name, in: text).map(\.description) == ["192.0.2.40", "2001:db8::40"])
        #expect(HostsFile.addresses(of: try #require(DomainName("away.example.com")), in: text) == [])
    }
}

@Suite("What a proxy hears of")
struct NameForProxyTests {
    private let address = IPAddress.v4(IPv4Address(192, 0, 2, 10))

    private func judge(_ policy: NetworkPolicy, names: [String]) throws -> Judge {
        var judge = Judge(policy, gateways: [], host: [], clock: { 0 })
        for name in names { judge.bind(try #require(DomainName(name)), to: address, life: 60_000_000_000) }
        return judge
    }

    private func told(_ rules: [String], names: [String], port: UInt16 = 443) throws -> String? {
        let rules = try rules.map { try NetworkPolicy.Rule(.allow, $0) }
        let policy = try #require(NetworkPolicy.composed(base: nil, rules: rules))
        let judge = try judge(policy, names: names)
        return judge.nameForProxy(Endpoint(address, port), judge.names(of: address))?.text
    }

    @Test("the name where the policy allows that, and no other name of the address; else the address")
    func names() throws {
        #expect(try told(["api.example.com"], names: ["api.example.com"]) == "api.example.com")
        #expect(
            try told(["b.example.com:443", "a.example.com:80"], names: ["a.example.com", "b.example.com"])
                == "b.example.com")
        #expect(
            try told(["b.example.com:443", "a.example.com:80"], names: ["a.example.com", "b.example.com"], port: 80)
                == "a.example.com")
        #expect(
            try told(["*.example.com:22"], names: ["a.example.com", "b.other.example"], port: 22) == "a.example.com")
        #expect(try told(["192.0.2.0/24"], names: ["api.example.com"]) == nil)
        #expect(try told(["192.0.2.0/24", "api.example.com"], names: ["api.example.com"]) == nil)
        let open = try judge(.public, names: ["api.example.com"])
        #expect(open.nameForProxy(Endpoint(address, 443), open.names(of: address)) == nil)
    }
}
