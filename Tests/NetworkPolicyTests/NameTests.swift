import NetworkAddress
import Testing

@testable import NetworkPolicy

@Suite("Names under a policy")
struct NameTests {
    @Test(
        "no allowed name, no resolving",
        arguments: [
            ("none", "a.example", "deny -"), ("public", "a.example", "allow 0"), ("all", "a.example", "allow -"),
            ("public", "dns.google", "allow 0"), ("all", "dns.google", "allow -"),
            ("allow a.example", "a.example", "allow 0"), ("allow a.example", "b.example", "deny -"),
            ("allow a.example", "secret.a.example", "deny -"), ("allow a.example:443", "a.example", "allow 0"),
            ("allow *.example.com", "a.example.com", "allow 0"), ("allow *.example.com", "x.y.example.com", "allow 0"),
            ("allow *.example.com", "example.com", "deny -"), ("allow *.example.com", "badexample.com", "deny -"),
            ("allow 203.0.113.0/24", "a.example", "deny -"), ("allow private", "a.example", "deny -"),
            ("allow any", "a.example", "allow 0"), ("allow public:443", "a.example", "allow 0"),
            ("allow any/icmp", "a.example", "deny -"), ("deny a.example; allow public", "a.example", "deny 0"),
            ("deny a.example; allow public", "b.example", "allow 1"),
            ("deny *.a.example; allow public", "b.a.example", "deny 0"),
            ("deny *.a.example; allow public", "a.example", "allow 1"),
            ("deny a.example:25; allow public", "a.example", "allow 1"),
            ("deny a.example/udp; allow public", "a.example", "allow 1"),
            ("deny x.example.com; allow *.example.com", "x.example.com", "deny 0"),
            ("allow x.example.com; deny *.example.com; allow public", "x.example.com", "allow 0"),
            ("allow x.example.com; deny *.example.com; allow public", "y.example.com", "deny 1"),
            ("deny any; allow a.example", "a.example", "deny 0"),
            ("deny 203.0.113.0/24; allow public", "a.example", "allow 1"),
            ("deny ingress:any", "a.example", "deny -"), ("deny a.example; default allow", "b.example", "allow -"),
            ("deny a.example; default allow", "a.example", "deny 0"),
            ("deny a.example; allow public", "dns.google", "deny 1"),
            ("deny a.example; allow public", "x.cloudflare-dns.com", "deny 1"),
            ("deny a.example; default allow", "dns.quad9.net", "deny -"),
            ("allow dns.google", "dns.google", "allow 0"), ("allow *.quad9.net", "dns.quad9.net", "allow 0"),
            ("public", "host.sandpiper.internal", "deny -"), ("all", "host.sandpiper.internal", "allow -"),
            ("none", "host.sandpiper.internal", "deny -"), ("allow host:8080", "host.sandpiper.internal", "allow 0"),
            ("allow public; allow host:8080", "host.sandpiper.internal", "allow 1"),
            ("allow any", "host.sandpiper.internal", "allow 0"), ("allow host:8080", "a.example", "deny -"),
        ])
    func queries(policy: String, name: String, expected: String) throws {
        let ruling = try Notation.policy(policy).decide(query: #require(DomainName(name)))
        #expect(Notation.text(ruling) == expected)
    }

    @Test(
        "a name of the internet may not lead into the host's networks",
        arguments: [
            ("public", "203.0.113.5", "allow -"), ("public", "2001:db8::5", "allow -"),
            ("public", "10.0.0.1", "deny -"),
            ("public", "127.0.0.1", "deny -"), ("public", "0.0.0.0", "deny -"), ("public", "169.254.169.254", "deny -"),
            ("public", "168.63.129.16", "deny -"), ("public", "198.51.100.7", "deny -"), ("public", "::1", "deny -"),
            ("public", "::ffff:10.0.0.1", "deny -"), ("public", "64:ff9b::10.0.0.1", "deny -"),
            ("public", "2002:a00:1::", "deny -"), ("public", "fd00::1", "deny -"), ("public", "100.64.0.1", "deny -"),
            ("public", "224.0.0.1", "deny -"), ("public", "10.77.0.3", "deny -"), ("all", "10.0.0.1", "allow -"),
            ("allow a.example", "10.0.0.1", "deny -"),
            ("allow a.example; allow 10.0.0.0/8:5432", "10.0.0.1", "allow 1"),
            ("allow a.example; allow private", "10.0.0.1", "allow 1"),
            ("allow a.example; allow private", "192.168.7.2", "deny -"),
            ("allow a.example; allow host:80", "192.168.7.2", "allow 1"),
            ("allow a.example; allow private", "fd00:ec2::254", "deny -"),
            ("allow a.example; allow metadata", "169.254.169.254", "allow 1"),
            ("deny 10.0.0.1; allow private", "10.0.0.1", "deny -"),
            ("deny 10.0.0.1:80; allow private", "10.0.0.1", "allow 1"),
            ("deny private; default allow", "10.0.0.1", "deny -"),
            ("deny private; default allow", "127.0.0.1", "allow -"),
            ("allow any", "10.0.0.1", "allow 0"),
        ])
    func answers(policy: String, address: String, expected: String) throws {
        let ruling = try Notation.policy(policy).decide(
            answer: #require(IPAddress(address)), for: #require(DomainName("a.example")), in: Notation.surroundings)
        #expect(Notation.text(ruling) == expected)
    }

    @Test(
        "a policy tells whether it goes by names, resolves all, and lets anything pass",
        arguments: [
            ("none", false, false, true), ("public", false, true, false), ("all", false, true, false),
            ("allow a.example", true, false, false), ("deny a.example; allow public", true, true, false),
            ("allow 10.0.0.0/8", false, false, false), ("deny a.example; default ingress deny", true, false, true),
        ])
    func properties(policy: String, usesNames: Bool, resolvesEveryName: Bool, isClosed: Bool) throws {
        let policy = try Notation.policy(policy)
        #expect(policy.usesNames == usesNames)
        #expect(policy.resolvesEveryName == resolvesEveryName)
        #expect(policy.isClosed == isClosed)
    }
}
