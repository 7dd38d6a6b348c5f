import NetworkAddress
import Testing

@testable import NetworkPolicy

@Suite("Texts of rules")
struct RuleTextTests {
    @Test(
        "a rule is read and written alike",
        arguments: [
            "any", "public", "private", "loopback", "link-local", "metadata", "carrier-nat", "multicast", "reserved",
            "host", "sandboxes", "host:8080", "api.example.com", "api.example.com:443", "*.example.com",
            "*.example.com:443/tls", "10.0.0.0/8", "10.0.0.0/8:5432/tcp", "10.0.0.5", "10.0.0.5/icmp", "10.0.0.0/8/udp",
            "[2001:db8::1]:53/udp", "2001:db8::1", "2001:db8::/32", "[2001:db8::/32]:443", "[2001:db8::/32]/tcp",
            "public:80,443", "public:8000-8100/tcp", "any:1,3-5,65535/udp", "any/icmp", "api.example.com:8080/http",
            "ingress:any", "ingress:10.0.0.0/8:80", "ingress:[::1]:80/tcp", "intranet.", "*.com", "_x.example.com",
            "::/0", "0.0.0.0/0", "xn--bcher-kva.example",
        ])
    func roundTrip(text: String) throws {
        let rule = try NetworkPolicy.Rule(.allow, text)
        #expect("\(rule)" == text)
        #expect(try NetworkPolicy.Rule(.allow, rule.description) == rule)
    }

    @Test(
        "a rule may be written otherwise than it is printed",
        arguments: [
            ("API.Example.com.:443", "api.example.com:443"), ("egress:public", "public"), ("10.0.0.5/32", "10.0.0.5"),
            ("[2001:db8::]/32:443", "[2001:db8::/32]:443"), ("[2001:db8::1]", "2001:db8::1"), ("any:80-80", "any:80"),
            ("2001:DB8:0::1", "2001:db8::1"), ("*.Example.com.", "*.example.com"),
        ])
    func otherwise(text: String, printed: String) throws {
        #expect("\(try NetworkPolicy.Rule(.deny, text))" == printed)
    }

    @Test(
        "what is no rule is refused with a line that says what to write",
        arguments: [
            ("", "no target"), (":443", "no target"), ("ingress:", "no target"), ("privat", "privat."),
            ("10.0.0.1/8", "10.0.0.0/8"), ("10.0.0.0/33", "length"), ("10.0.0.0/", "length"), ("10.0.0", "no name"),
            ("256.1.1.1", "no name"), ("a b", "no name"), ("example.com:0", "no port 0"),
            ("example.com:65536", "no list of ports"), ("example.com:", "no list of ports"),
            ("example.com:9-8", "no list of ports"), ("example.com:80,", "no list of ports"),
            ("example.com:-80", "no list of ports"), ("example.com:+80", "no list of ports"),
            ("example.com:1-2-3", "no list of ports"), ("example.com/sctp", "'/sctp' is not known"),
            ("example.com/tcp/udp", "'/udp' stands after"), ("example.com:80/icmp", "ICMP has no ports"),
            ("*", "its whole first label"), ("*.*.example.com", "its whole first label"),
            ("a*.example.com", "its whole first label"), ("*example.com", "its whole first label"),
            ("ingress:example.com", "is a name"), ("ingress:any/http", "not for 'ingress:'"),
            ("[10.0.0.1]:80", "brackets"), ("[2001:db8::1:80", "brackets"), ("[example.com]:80", "brackets"),
            ("ingress:egress:any", "no list of ports"), ("http://example.com", ""), ("bücher.example", "no name"),
            (String(repeating: "a", count: 2000), "longer than 1024"),
        ])
    func refused(text: String, says: String) throws {
        let error = try #require(throws: NetworkPolicy.RuleError.self) { try NetworkPolicy.Rule(.allow, text) }
        #expect(says.isEmpty || error.description.contains(says), "\(error)")
        #expect(!error.description.contains("\n"))
    }

    @Test("a rule has at most 64 ranges of ports")
    func manyPorts() throws {
        let ports = (1...65).map(String.init).joined(separator: ",")
        #expect(throws: NetworkPolicy.RuleError.tooManyPorts) { try NetworkPolicy.Rule(.allow, "any:\(ports)") }
    }

    @Test(
        "a destination is read and written alike",
        arguments: [
            "api.example.com:443", "intranet.:443/tls", "10.0.0.1:53/udp", "[2001:db8::1]:443", "2001:db8::1/icmp",
            "192.0.2.1/icmp", "ingress:10.0.0.1:80", "a.example:8080/http",
        ])
    func destination(text: String) throws { #expect("\(try NetworkPolicy.Destination(text))" == text) }

    @Test(
        "what is no destination is refused",
        arguments: [
            "api.example.com", "*.example.com:443", "public:80", "any:80", "10.0.0.0/8:80", "a.b:80,81", "a.b:80-81",
            "",
            "ingress:a.b:80",
        ])
    func noDestination(text: String) {
        #expect(throws: NetworkPolicy.RuleError.self) { try NetworkPolicy.Destination(text) }
    }
}
