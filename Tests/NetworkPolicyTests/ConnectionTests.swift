import NetworkAddress
import Testing

@testable import NetworkPolicy

@Suite("Connections under a policy")
struct ConnectionTests {
    @Test(
        "rules by address decide before anybody has spoken",
        arguments: [
            // The presets.
            ("none", "tcp 203.0.113.5:443", "deny -"), ("none", "udp 203.0.113.5:53", "deny -"),
            ("none", "icmp 203.0.113.5", "deny -"), ("none", "ingress tcp 127.0.0.1:80", "deny -"),
            ("all", "tcp 203.0.113.5:443", "allow -"), ("all", "tcp 10.0.0.1:22", "allow -"),
            ("all", "tcp 169.254.169.254:80", "allow -"), ("all", "udp 203.0.113.5:443", "allow -"),
            ("all", "tcp 8.8.8.8:853", "allow -"), ("all", "tcp 127.0.0.1:80", "allow -"),
            ("all", "ingress tcp 127.0.0.1:80", "allow -"), ("public", "ingress tcp 127.0.0.1:80", "allow -"),
            ("public", "tcp 203.0.113.5:443", "allow 0"), ("public", "tcp 203.0.113.5:80", "allow 0"),
            ("public", "tcp [2001:db8::5]:22", "allow 0"), ("public", "udp 203.0.113.5:443", "allow 0"),
            ("public", "udp 8.8.8.8:853", "allow 0"), ("public", "tcp 1.1.1.1:443", "allow 0"),
            ("public", "icmp 203.0.113.5", "allow 0"), ("public", "tcp 10.1.2.3:443", "deny -"),
            ("public", "tcp 172.16.0.1:443", "deny -"), ("public", "tcp 192.168.1.1:443", "deny -"),
            ("public", "tcp 127.0.0.1:80", "deny -"), ("public", "tcp [::1]:80", "deny -"),
            ("public", "tcp 169.254.1.1:80", "deny -"), ("public", "tcp 169.254.169.254:80", "deny -"),
            ("public", "tcp [fd00:ec2::254]:80", "deny -"), ("public", "tcp 168.63.129.16:80", "deny -"),
            ("public", "udp 168.63.129.16:53", "deny -"), ("public", "tcp 100.100.100.200:80", "deny -"),
            ("public", "tcp 100.64.0.1:80", "deny -"), ("public", "udp 224.0.0.251:5353", "deny -"),
            ("public", "udp [ff02::fb]:5353", "deny -"), ("public", "udp 255.255.255.255:67", "deny -"),
            ("public", "tcp 0.0.0.0:80", "deny -"), ("public", "tcp [::]:80", "deny -"),
            ("public", "tcp 192.0.0.1:80", "deny -"), ("public", "tcp 198.18.0.1:80", "deny -"),
            ("public", "tcp 240.0.0.1:80", "deny -"), ("public", "tcp [2001::1]:80", "deny -"),
            ("public", "tcp 198.51.100.7:22", "deny -"), ("public", "tcp [2001:db8:7::2]:22", "deny -"),
            ("public", "icmp 198.51.100.7", "deny -"), ("public", "tcp 10.77.0.3:80", "deny -"),
            ("public", "tcp [fc00::1]:80", "deny -"), ("public", "tcp [fe80::1]:80", "deny -"),
            // Forms of IPv4 addresses.
            ("public", "tcp [::ffff:203.0.113.5]:80", "allow 0"),
            ("public", "tcp [64:ff9b::203.0.113.5]:80", "allow 0"),
            ("public", "tcp [2002:cb00:7105::1]:80", "allow 0"), ("public", "tcp [::ffff:10.0.0.1]:80", "deny -"),
            ("public", "tcp [64:ff9b::10.0.0.1]:80", "deny -"), ("public", "tcp [2002:a00:1::1]:80", "deny -"),
            ("public", "tcp [::10.0.0.1]:80", "deny -"), ("public", "tcp [::ffff:127.0.0.1]:80", "deny -"),
            ("public", "tcp [::ffff:169.254.169.254]:80", "deny -"),
            ("public", "tcp [64:ff9b::169.254.169.254]:80", "deny -"),
            ("public", "tcp [64:ff9b:1::203.0.113.5]:80", "deny -"),
            ("public", "tcp [64:ff9b::198.51.100.7]:80", "deny -"), ("public", "tcp [2002:c633:6407::]:80", "deny -"),
            ("deny 203.0.113.0/24; allow public", "tcp [::ffff:203.0.113.5]:80", "deny 0"),
            ("deny 203.0.113.0/24; allow public", "tcp [64:ff9b::203.0.113.5]:80", "deny 0"),
            ("deny 203.0.113.0/24; allow public", "tcp [2002:cb00:7105::1]:80", "deny 0"),
            ("deny private; default allow", "tcp [::ffff:10.0.0.1]:80", "deny 0"),
            ("deny private; default allow", "tcp [64:ff9b:1::10.0.0.1]:80", "deny 0"),
            ("allow 203.0.113.0/24", "tcp [64:ff9b::203.0.113.5]:80", "allow 0"),
            ("allow ::/0", "tcp [2001:db8::1]:80", "allow 0"), ("allow ::/0", "tcp [::ffff:203.0.113.5]:80", "deny -"),
            ("allow ::/0", "tcp [64:ff9b::10.0.0.1]:80", "deny -"), ("allow ::/0", "tcp [2002:a00:1::1]:80", "deny -"),
            ("allow 64:ff9b::/96", "tcp [64:ff9b::203.0.113.5]:80", "allow 0"),
            ("allow 64:ff9b::/96", "tcp [64:ff9b::169.254.169.254]:80", "deny 0"),
            ("allow 2002::/16", "tcp [2002:cb00:7105::1]:80", "allow 0"),
            // The first that matches decides.
            ("deny 203.0.113.5; allow public", "tcp 203.0.113.5:80", "deny 0"),
            ("deny 203.0.113.5; allow public", "tcp 203.0.113.6:80", "allow 1"),
            ("allow 10.0.0.5; deny private; default allow", "tcp 10.0.0.5:80", "allow 0"),
            ("allow 10.0.0.5; deny private; default allow", "tcp 10.0.0.6:80", "deny 1"),
            ("allow 10.0.0.5; deny private; default allow", "tcp 203.0.113.5:80", "allow -"),
            ("deny any; allow public", "tcp 203.0.113.5:80", "deny 0"),
            ("allow any", "tcp 10.0.0.1:80", "allow 0"), ("allow any", "tcp 169.254.169.254:80", "allow 0"),
            // An allow rule opens what it says and nothing else.
            ("allow 10.0.0.0/8:5432/tcp", "tcp 10.1.2.3:5432", "allow 0"),
            ("allow 10.0.0.0/8:5432/tcp", "tcp 10.1.2.3:5433", "deny -"),
            ("allow 10.0.0.0/8:5432/tcp", "udp 10.1.2.3:5432", "deny -"),
            ("allow 10.0.0.0/8:5432/tcp", "icmp 10.1.2.3", "deny -"),
            ("allow 10.0.0.0/8:5432/tcp", "tcp 203.0.113.5:5432", "deny -"),
            ("allow 10.0.0.0/8:5432/tcp", "tcp 203.0.113.5:443", "deny -"),
            ("allow 10.0.0.0/8:5432/tcp", "ingress tcp 10.1.2.3:5432", "allow -"),
            ("allow public:80,8000-8100", "tcp 203.0.113.5:8050", "allow 0"),
            ("allow public:80,8000-8100", "tcp 203.0.113.5:8101", "deny -"),
            ("allow public:80,8000-8100", "udp 203.0.113.5:8100", "allow 0"),
            ("allow public:80,8000-8100", "icmp 203.0.113.5", "deny -"), ("allow any/icmp", "icmp 10.0.0.1", "allow 0"),
            ("allow any/icmp", "tcp 10.0.0.1:80", "deny -"), ("allow any/udp", "udp 10.0.0.1:53", "allow 0"),
            ("allow [2001:db8::1]:53/udp", "udp [2001:db8::1]:53", "allow 0"),
            ("allow [2001:db8::1]:53/udp", "tcp [2001:db8::1]:53", "deny -"),
            // Metadata and the host are given by themselves only.
            ("allow link-local", "tcp 169.254.1.1:80", "allow 0"),
            ("allow link-local", "tcp 169.254.169.254:80", "deny 0"),
            ("allow 169.254.0.0/16", "tcp 169.254.169.254:80", "deny 0"),
            ("allow private", "tcp [fd00:ec2::254]:80", "deny 0"), ("allow private", "tcp 10.0.0.1:80", "allow 0"),
            ("allow carrier-nat", "tcp 100.100.100.200:80", "deny 0"),
            ("allow carrier-nat", "tcp 100.64.0.1:80", "allow 0"),
            ("allow reserved", "tcp 192.0.0.192:80", "deny 0"), ("allow reserved", "tcp 240.0.0.1:80", "allow 0"),
            ("allow reserved", "tcp 0.0.0.0:80", "deny 0"), ("allow metadata", "tcp 169.254.169.254:80", "allow 0"),
            ("allow metadata", "tcp [::ffff:169.254.169.254]:80", "allow 0"),
            ("allow metadata", "tcp 169.254.1.1:80", "deny -"),
            ("allow metadata:80", "tcp 169.254.169.254:81", "deny -"),
            ("allow 169.254.169.254:80", "tcp 169.254.169.254:80", "allow 0"),
            ("allow link-local; allow metadata", "tcp 169.254.169.254:80", "allow 1"),
            ("deny metadata; default allow", "tcp 169.254.169.254:80", "deny 0"),
            ("deny metadata; default allow", "tcp 10.0.0.1:80", "allow -"),
            ("allow private", "tcp 192.168.7.2:22", "deny 0"), ("allow private", "tcp 192.168.7.3:22", "allow 0"),
            ("allow 192.168.0.0/16", "tcp 192.168.7.2:22", "deny 0"),
            ("allow 192.168.7.2", "tcp 192.168.7.2:22", "allow 0"), ("allow host", "tcp 192.168.7.2:22", "allow 0"),
            ("allow host", "tcp 198.51.100.7:22", "allow 0"), ("allow host", "tcp 127.0.0.1:22", "allow 0"),
            ("allow host", "tcp [::1]:22", "allow 0"), ("allow host", "tcp 192.168.7.3:22", "deny -"),
            ("allow host:8080", "tcp 198.51.100.7:8080", "allow 0"),
            ("allow host:8080", "tcp 198.51.100.7:8081", "deny -"),
            ("allow host:8080", "tcp 203.0.113.5:8080", "deny -"),
            ("allow host:8080; allow public", "tcp 203.0.113.5:80", "allow 1"),
            ("allow loopback", "tcp 127.0.0.1:80", "allow 0"), ("allow 127.0.0.0/8", "tcp 127.0.0.1:80", "allow 0"),
            ("allow loopback", "tcp 192.168.7.2:80", "deny -"),
            ("deny host; default allow", "tcp 198.51.100.7:80", "deny 0"),
            ("deny host; default allow", "tcp 127.0.0.5:80", "deny 0"),
            ("allow 198.51.100.0/24", "tcp 198.51.100.8:80", "allow 0"),
            ("allow sandboxes", "tcp 10.77.0.3:80", "allow 0"), ("allow sandboxes", "tcp 10.77.0.4:80", "deny -"),
            ("allow private", "tcp 10.77.0.3:80", "allow 0"), ("allow multicast", "udp 224.0.0.251:5353", "allow 0"),
            // Ingress has rules of its own.
            ("deny ingress:any", "ingress tcp 10.0.0.1:80", "deny 0"),
            ("deny ingress:any", "tcp 203.0.113.5:80", "deny -"),
            ("allow ingress:10.0.0.0/8:80; default ingress deny", "ingress tcp 10.0.0.1:80", "allow 0"),
            ("allow ingress:10.0.0.0/8:80; default ingress deny", "ingress tcp 10.0.0.1:81", "deny -"),
            ("allow ingress:10.0.0.0/8:80; default ingress deny", "ingress tcp 203.0.113.5:80", "deny -"),
            ("allow ingress:host; default ingress deny", "ingress tcp 127.0.0.1:80", "allow 0"),
            ("allow ingress:private; default ingress deny", "ingress tcp 192.168.7.2:80", "allow 0"),
            ("deny ingress:public; allow public", "ingress udp 203.0.113.5:80", "deny 0"),
            ("deny ingress:public; allow public", "udp 203.0.113.5:80", "allow 1"),
            ("deny ingress:private", "ingress tcp [::ffff:10.0.0.1]:80", "deny 0"),
        ])
    func byAddress(policy: String, connection: String, expected: String) throws {
        let decision = try Notation.policy(policy).decide(
            Notation.connection(connection), in: Notation.surroundings)
        #expect(Notation.text(decision) == expected)
    }

    @Test(
        "a rule by name holds for an address that the sandbox's own DNS gave for a name of it",
        arguments: [
            ("allow a.example", "tcp 203.0.113.5:443", "deny 0"),
            ("allow a.example", "tcp 203.0.113.5:443 = a.example", "inspect"),
            ("allow a.example", "tcp 203.0.113.5:443 = b.example", "deny 0"),
            ("allow a.example", "tcp 203.0.113.5:443 = b.example,a.example", "inspect"),
            ("allow a.example", "tcp 203.0.113.5:80 = a.example", "inspect"),
            ("allow a.example", "tcp 203.0.113.5:22 = a.example", "inspect"),
            ("allow a.example", "tcp 203.0.113.5:22", "deny 0"),
            ("allow a.example", "tcp [2001:db8::5]:443 = a.example", "inspect"),
            ("allow a.example", "icmp 203.0.113.5 = a.example", "allow 0"),
            ("allow a.example", "icmp 203.0.113.5", "deny 0"),
            ("allow a.example", "udp 203.0.113.5:5000 = a.example", "allow 0"),
            ("allow a.example", "udp 203.0.113.5:443 = a.example", "deny 0"),
            ("allow a.example:443", "tcp 203.0.113.5:443 = a.example", "inspect"),
            ("allow a.example:443", "tcp 203.0.113.5:80 = a.example", "deny -"),
            ("allow a.example:443", "udp 203.0.113.5:443 = a.example", "deny 0"),
            ("allow a.example:443/udp", "udp 203.0.113.5:443 = a.example", "deny 0"),
            ("allow a.example:443/tcp", "udp 203.0.113.5:443 = a.example", "deny -"),
            ("allow a.example:443", "icmp 203.0.113.5 = a.example", "deny -"),
            // Edges of wildcards.
            ("allow a.example; allow b.example", "udp 203.0.113.5:443 = b.example", "deny 1"),
            ("allow a.example; allow b.example", "tcp 203.0.113.5:443", "deny -"),
            ("allow *.example.com", "tcp 203.0.113.5:443 = a.example.com", "inspect"),
            ("allow *.example.com", "tcp 203.0.113.5:443 = a.b.example.com", "inspect"),
            ("allow *.example.com", "tcp 203.0.113.5:443 = example.com", "deny 0"),
            ("allow *.example.com", "tcp 203.0.113.5:443 = badexample.com", "deny 0"),
            ("allow *.example.com", "tcp 203.0.113.5:443 = a.example.com.evil.example", "deny 0"),
            ("allow a.example", "tcp 203.0.113.5:443 = b.a.example", "deny 0"),
            // Rebinding: what a name leads to may not be what no rule by address gives.
            ("allow a.example", "tcp 10.0.0.1:443 = a.example", "deny 0"),
            ("allow a.example", "tcp 127.0.0.1:443 = a.example", "deny 0"),
            ("allow a.example", "tcp 169.254.169.254:80 = a.example", "deny 0"),
            ("allow a.example", "tcp 198.51.100.7:80 = a.example", "deny 0"),
            ("allow a.example", "tcp [::ffff:10.0.0.1]:80 = a.example", "deny 0"),
            ("allow a.example", "udp 10.0.0.1:53 = a.example", "deny 0"),
            ("allow a.example; allow 10.0.0.0/8:5432", "tcp 10.0.0.1:443 = a.example", "inspect"),
            ("allow a.example; allow 10.0.0.0/8:5432", "tcp 10.0.0.1:5432", "allow 1"),
            ("allow a.example; allow private", "tcp 169.254.169.254:80 = a.example", "deny 0"),
            ("allow a.example; allow metadata", "tcp 169.254.169.254:80 = a.example", "inspect"),
            ("deny 10.0.0.1; allow a.example; allow private", "tcp 10.0.0.1:443 = a.example", "deny 0"),
            // Under a broad rule nothing has to be resolved.
            ("allow a.example; allow public", "tcp 203.0.113.5:22", "allow 1"),
            ("allow a.example; allow public", "tcp 203.0.113.5:443", "inspect"),
            ("allow a.example; allow public", "udp 203.0.113.5:443", "deny 1"),
            ("allow a.example; allow public", "udp 203.0.113.5:444", "allow 1"),
            ("allow a.example; allow 203.0.113.5:443/udp", "udp 203.0.113.5:443", "allow 1"),
            ("allow a.example; allow 203.0.113.0/24:443/udp", "udp 203.0.113.5:443", "allow 1"),
            ("allow a.example; allow 203.0.113.0/24:443", "udp 203.0.113.5:443", "deny 1"),
            ("allow a.example; allow 203.0.113.0/24", "udp 203.0.113.5:443", "deny 1"),
            // Encrypted DNS.
            ("allow a.example; allow public", "tcp 203.0.113.5:853", "deny 1"),
            ("allow a.example; allow public", "udp 203.0.113.5:853", "deny 1"),
            ("allow a.example; allow public", "udp 203.0.113.5:784", "deny 1"),
            ("allow a.example; allow public", "tcp 1.1.1.1:443", "deny 1"),
            ("allow a.example; allow public", "tcp 8.8.8.8:443", "deny 1"),
            ("allow a.example; allow public", "tcp [2606:4700:4700::1111]:443", "deny 1"),
            ("allow a.example; allow public", "tcp 8.8.8.8:80", "allow 1"),
            ("allow a.example; allow 8.8.8.8:853", "tcp 8.8.8.8:853", "allow 1"),
            ("allow a.example; allow 8.8.8.8:443", "tcp 8.8.8.8:443", "allow 1"),
            ("allow a.example; default allow", "tcp 203.0.113.5:853", "deny -"),
            ("allow a.example; default allow", "udp 203.0.113.5:443", "deny -"),
            ("allow dns.google", "tcp 8.8.8.8:853 = dns.google", "inspect"),
            ("allow dns.google", "udp 8.8.8.8:853 = dns.google", "allow 0"),
            ("allow dns.google", "tcp 8.8.8.8:443 = dns.google", "inspect"),
            ("allow dns.google", "tcp 8.8.8.8:443", "deny 0"),
            ("deny a.example; allow public", "tcp 8.8.8.8:853", "deny 1"),
            // Rules that deny by name.
            ("deny a.example; allow public", "tcp 203.0.113.5:443", "inspect"),
            ("deny a.example; allow public", "tcp 203.0.113.5:22", "inspect"),
            ("deny a.example; allow public", "tcp 203.0.113.5:443 = a.example", "deny 0"),
            ("deny a.example; allow public", "tcp 203.0.113.5:443 = a.example,b.example", "inspect"),
            ("deny a.example; allow public", "icmp 203.0.113.5 = a.example,b.example", "deny 0"),
            ("deny a.example; allow public", "icmp 203.0.113.5", "allow 1"),
            ("deny a.example; allow public", "udp 203.0.113.5:5000 = a.example,b.example", "deny 0"),
            ("deny a.example; allow public", "udp 203.0.113.5:443", "deny 1"),
            ("deny a.example:80; allow public", "tcp 203.0.113.5:81", "allow 1"),
            // Nothing is tried outside that no name can open.
            ("deny a.example; allow public", "tcp 10.0.0.1:443", "deny -"),
            ("deny a.example; allow public", "tcp 169.254.169.254:80", "deny -"),
            ("deny a.example", "tcp 203.0.113.5:443", "deny -"),
            // Applications.
            ("allow 203.0.113.0/24/tls", "tcp 203.0.113.5:9000", "inspect"),
            ("allow 203.0.113.0/24/tls", "udp 203.0.113.5:9000", "deny -"),
            ("deny public/http; allow public", "tcp 203.0.113.5:9000", "inspect"),
        ])
    func byName(policy: String, connection: String, expected: String) throws {
        let decision = try Notation.policy(policy).decide(
            Notation.connection(connection), in: Notation.surroundings)
        #expect(Notation.text(decision) == expected)
    }

    @Test(
        "what the client says of its server decides where names count",
        arguments: [
            ("allow a.example", "tcp 203.0.113.5:443 = a.example", "tls a.example", "allow 0"),
            ("allow a.example", "tcp 203.0.113.5:443 = a.example", "tls b.example", "deny 0"),
            ("allow a.example", "tcp 203.0.113.5:443 = a.example", "tls", "deny 0"),
            ("allow a.example", "tcp 203.0.113.5:443 = a.example", "other", "deny 0"),
            ("allow a.example", "tcp 203.0.113.5:443 = a.example", "http a.example", "allow 0"),
            ("allow a.example", "tcp 203.0.113.5:443 = a.example", "http b.example", "deny 0"),
            ("allow a.example", "tcp 203.0.113.5:80 = a.example", "http a.example", "allow 0"),
            ("allow a.example", "tcp 203.0.113.5:80 = a.example", "http b.example", "deny 0"),
            ("allow a.example", "tcp 203.0.113.5:80 = a.example", "http", "deny 0"),
            ("allow a.example", "tcp 203.0.113.5:80 = a.example", "tls a.example", "allow 0"),
            ("allow a.example", "tcp 203.0.113.5:80 = a.example", "other", "deny 0"),
            ("allow a.example", "tcp 203.0.113.5:80", "http a.example", "deny 0"),
            ("allow a.example", "tcp 203.0.113.5:443", "tls a.example", "deny 0"),
            ("allow a.example", "tcp 203.0.113.5:443 = b.example", "tls a.example", "deny 0"),
            // On other ports the DNS decides, and a ClientHello that names somebody else.
            ("allow a.example", "tcp 203.0.113.5:22 = a.example", "other", "allow 0"),
            ("allow a.example", "tcp 203.0.113.5:8443 = a.example", "tls a.example", "allow 0"),
            ("allow a.example", "tcp 203.0.113.5:8443 = a.example", "tls", "allow 0"),
            ("allow a.example", "tcp 203.0.113.5:8443 = a.example", "tls b.example", "deny 0"),
            ("allow a.example", "tcp 203.0.113.5:8080 = a.example", "http b.example", "allow 0"),
            ("allow a.example:8080/http", "tcp 203.0.113.5:8080 = a.example", "http a.example", "allow 0"),
            ("allow a.example:8080/http", "tcp 203.0.113.5:8080 = a.example", "http b.example", "deny 0"),
            ("allow a.example:8080/http", "tcp 203.0.113.5:8080 = a.example", "http", "deny 0"),
            ("allow a.example:8080/http", "tcp 203.0.113.5:8080 = a.example", "tls a.example", "deny 0"),
            ("allow a.example:8080/http", "tcp 203.0.113.5:8080 = a.example", "other", "deny 0"),
            ("allow a.example:8443/tls", "tcp 203.0.113.5:8443 = a.example", "tls a.example", "allow 0"),
            ("allow a.example:8443/tls", "tcp 203.0.113.5:8443 = a.example", "tls", "deny 0"),
            ("allow a.example:8443/tls", "tcp 203.0.113.5:8443 = a.example", "http a.example", "deny 0"),
            ("allow a.example:443/tls", "tcp 203.0.113.5:443 = a.example", "http a.example", "deny 0"),
            // Names of one rule together.
            ("allow *.example.com", "tcp 203.0.113.5:443 = a.example.com", "tls b.example.com", "allow 0"),
            ("allow *.example.com", "tcp 203.0.113.5:443 = a.example.com", "tls example.com", "deny 0"),
            ("allow *.example.com", "tcp 203.0.113.5:443 = a.example.com", "tls a.example.com.evil.example", "deny 0"),
            ("allow a.example; allow b.example", "tcp 203.0.113.5:443 = a.example", "tls b.example", "deny 0"),
            (
                "allow a.example; allow b.example", "tcp 203.0.113.5:443 = a.example,b.example", "tls b.example",
                "allow 1"
            ),
            ("allow a.example; allow b.example", "tcp 203.0.113.5:443 = b.example", "tls b.example", "allow 1"),
            (
                "deny x.example.com; allow *.example.com", "tcp 203.0.113.5:443 = a.example.com", "tls x.example.com",
                "deny 0"
            ),
            (
                "deny x.example.com; allow *.example.com", "tcp 203.0.113.5:443 = a.example.com", "tls a.example.com",
                "allow 1"
            ),
            ("allow a.example; allow 203.0.113.5", "tcp 203.0.113.5:443 = a.example", "tls b.example", "allow 1"),
            (
                "allow a.example; deny 203.0.113.5; default allow", "tcp 203.0.113.5:443 = a.example", "tls b.example",
                "deny 1"
            ),
            // Rules that deny by name.
            ("deny a.example; allow public", "tcp 203.0.113.5:443", "tls a.example", "deny 0"),
            ("deny a.example; allow public", "tcp 203.0.113.5:443", "tls b.example", "allow 1"),
            ("deny a.example; allow public", "tcp 203.0.113.5:443", "tls", "allow 1"),
            ("deny a.example; allow public", "tcp 203.0.113.5:22", "other", "allow 1"),
            ("deny a.example; allow public", "tcp 203.0.113.5:8080", "http a.example", "deny 0"),
            ("deny a.example; allow public", "tcp 203.0.113.5:80", "http a.example", "deny 0"),
            ("deny a.example; allow public", "tcp 203.0.113.5:443 = a.example,b.example", "tls b.example", "allow 1"),
            ("deny a.example; allow public", "tcp 203.0.113.5:443 = a.example,b.example", "tls", "deny 0"),
            ("deny a.example; allow public", "tcp 203.0.113.5:443 = a.example", "tls b.example", "deny 0"),
            ("deny *.a.example; allow public", "tcp 203.0.113.5:443", "tls b.a.example", "deny 0"),
            ("deny *.a.example; allow public", "tcp 203.0.113.5:443", "tls a.example", "allow 1"),
            ("deny a.example/http; allow public", "tcp 203.0.113.5:80", "tls a.example", "allow 1"),
            ("deny a.example:443; allow public", "tcp 203.0.113.5:80", "http a.example", "allow 1"),
            // Names of encrypted resolvers.
            ("deny a.example; allow public", "tcp 203.0.113.5:443", "tls dns.google", "deny 1"),
            ("deny a.example; allow public", "tcp 203.0.113.5:443", "tls x.cloudflare-dns.com", "deny 1"),
            (
                "deny a.example; allow dns.google; allow public", "tcp 8.8.8.8:443 = dns.google", "tls dns.google",
                "allow 1"
            ),
            ("public", "tcp 203.0.113.5:443", "tls dns.google", "allow 0"),
            ("all", "tcp 203.0.113.5:443", "tls dns.google", "allow -"),
            ("allow a.example; default allow", "tcp 203.0.113.5:443", "tls dns.google", "deny -"),
            ("allow a.example; default allow", "tcp 203.0.113.5:443", "tls b.example", "allow -"),
            // Applications without names.
            ("allow 203.0.113.0/24/tls", "tcp 203.0.113.5:9000", "tls", "allow 0"),
            ("allow 203.0.113.0/24/tls", "tcp 203.0.113.5:9000", "http a.example", "deny 0"),
            ("deny public/http; allow public", "tcp 203.0.113.5:9000", "http a.example", "deny 0"),
            ("deny public/http; allow public", "tcp 203.0.113.5:9000", "other", "allow 1"),
        ])
    func claimed(policy: String, connection: String, claim: String, expected: String) throws {
        let ruling = try Notation.policy(policy).decide(
            Notation.connection(connection), claiming: Notation.claim(claim), in: Notation.surroundings)
        #expect(Notation.text(ruling) == expected)
    }

    @Test(
        "a server that speaks first is held back only where a name has to come",
        arguments: [
            ("allow a.example", "tcp 203.0.113.5:443 = a.example", NetworkPolicy.Action.deny, true),
            ("allow a.example", "tcp 203.0.113.5:80 = a.example", .deny, true),
            ("allow a.example", "tcp 203.0.113.5:22 = a.example", .allow, false),
            ("allow a.example:8080/http", "tcp 203.0.113.5:8080 = a.example", .deny, true),
            ("allow a.example:8443/tls", "tcp 203.0.113.5:8443 = a.example", .deny, false),
            ("deny a.example; allow public", "tcp 203.0.113.5:22", .allow, true),
            ("deny a.example; allow public", "tcp 203.0.113.5:443", .allow, true),
        ])
    func inspection(policy: String, connection: String, otherwise: NetworkPolicy.Action, readsHTTP: Bool) throws {
        let decision = try Notation.policy(policy).decide(Notation.connection(connection), in: Notation.surroundings)
        guard case .inspect(let inspection) = decision else {
            Issue.record("\(decision)")
            return
        }
        #expect(inspection.otherwise.action == otherwise)
        #expect(inspection.readsHTTP == readsHTTP)
    }

    @Test(
        "a refusal says which rule came nearest and why",
        arguments: [
            ("allow a.example", "tcp 203.0.113.5:443 = a.example", "tls b.example", NetworkPolicy.Reason.nameMismatch),
            ("allow a.example", "tcp 203.0.113.5:443 = a.example", "tls", .nameMissing),
            ("allow a.example", "tcp 203.0.113.5:443", "tls a.example", .notResolved),
            ("allow a.example", "udp 203.0.113.5:443 = a.example", "other", .quic),
            ("allow a.example", "tcp 10.0.0.1:443 = a.example", "tls a.example", .rebinding(.private)),
            ("allow a.example:80/http", "tcp 203.0.113.5:80 = a.example", "tls a.example", .otherApplication(.http)),
            ("allow private", "tcp 192.168.7.2:22", "other", .guarded(.host)),
            ("allow b.example; allow a.example", "tcp 203.0.113.5:443 = a.example", "tls x.example", .nameMismatch),
            ("allow 10.0.0.0/8", "tcp 203.0.113.5:443", "other", .noRule),
            ("deny a.example; allow public", "tcp 1.1.1.1:443", "tls b.example", .encryptedDNS),
        ])
    func reasons(policy: String, connection: String, claim: String, reason: NetworkPolicy.Reason) throws {
        let ruling = try Notation.policy(policy).decide(
            Notation.connection(connection), claiming: Notation.claim(claim), in: Notation.surroundings)
        #expect(ruling.action == .deny && ruling.reason == reason)
        #expect(!ruling.description.isEmpty && !ruling.description.contains("\n"))
    }
}
