import NetworkAddress
import Testing

@testable import DNSMessage

@Suite("Messages of DNS")
struct MessageTests {
    static func name(_ text: String) -> DNSName { DomainName(text).map { DNSName($0) } ?? .root }

    static func query(_ name: String, _ type: DNSType = .a) -> DNSMessage {
        var query = DNSMessage(id: 0x1234, question: DNSQuestion(Self.name(name), type))
        query.flags.recursionDesired = true
        return query
    }

    @Test("a query as dig sends it is read and written again byte by byte")
    func query() throws {
        // dig +noedns example.com AAAA
        let bytes: [UInt8] =
            [0xAB, 0xCD, 0x01, 0x20, 0, 1, 0, 0, 0, 0, 0, 0, 7] + Array("eXample".utf8) + [3] + Array("com".utf8)
            + [0, 0, 28, 0, 1]
        let message = try DNSMessage(bytes)
        #expect(message.id == 0xABCD && message.flags.recursionDesired && message.flags.isAuthentic)
        #expect(message.question?.name.description == "eXample.com" && message.question?.type == .aaaa)
        #expect(message.question?.name.domainName == DomainName("example.com"))
        #expect(message.encoded() == bytes)
    }

    @Test("an answer with aliases, compressed names and extensions is read, and written no longer than it was")
    func answer() throws {
        let bytes: [UInt8] =
            [0, 7, 0x81, 0x80, 0, 1, 0, 3, 0, 1, 0, 2, 3] + Array("www".utf8) + [7] + Array("example".utf8) + [3]
            + Array("com".utf8) + [0, 0, 1, 0, 1]
            // www.example.com CNAME cdn.example.com
            + [0xC0, 12, 0, 5, 0, 1, 0, 0, 0, 60, 0, 6, 3] + Array("cdn".utf8) + [0xC0, 16]
            // cdn.example.com A 192.0.2.1, 192.0.2.2
            + [0xC0, 45, 0, 1, 0, 1, 0, 0, 0, 30, 0, 4, 192, 0, 2, 1]
            + [0xC0, 45, 0, 1, 0, 1, 0, 0, 0, 20, 0, 4, 192, 0, 2, 2]
            // example.com NS ns.example.com
            + [0xC0, 16, 0, 2, 0, 1, 0, 0, 0, 90, 0, 5, 2] + Array("ns".utf8) + [0xC0, 16]
            // ns.example.com AAAA 2001:db8::1, OPT
            + [0xC0, 95, 0, 28, 0, 1, 0, 0, 0, 90, 0, 16, 0x20, 0x01, 0x0D, 0xB8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]
            + [0, 0, 41, 0x04, 0xD0, 0, 0, 0x80, 0, 0, 5, 0, 10, 0, 1, 7]
        let message = try DNSMessage(bytes)
        #expect(message.answers.map(\.name.description) == ["www.example.com", "cdn.example.com", "cdn.example.com"])
        #expect(message.answers[0].canonicalName == Self.name("cdn.example.com"))
        #expect(message.chain.compactMap(\.address).map(\.description) == ["192.0.2.1", "192.0.2.2"])
        #expect(message.ttl == 20)
        #expect(message.authorities.count == 1 && message.additionals.count == 1)
        #expect(message.additionals[0].name.description == "ns.example.com")
        #expect(message.extensions?.packetSize == 1232 && message.extensions?.dnssecOK == true)
        #expect(message.extensions?.options == [.init(code: 10, data: [7])])
        let written = message.encoded()
        #expect(written.count <= bytes.count)
        #expect(try DNSMessage(written) == message)
    }

    @Test(
        "data of each type is read as it was written",
        arguments: [
            (DNSType.a, DNSData.address(.v4(IPv4Address(192, 0, 2, 1)))),
            (.aaaa, .address(.v6(IPv6Address(high: 0x2001_0DB8 << 32, low: 1)))),
            (.cname, .name(name("a.example"))), (.ptr, .name(name("a.example"))), (.ns, .name(name("a.example"))),
            (.dname, .name(name("b.example"))), (.mx, .mail(preference: 10, server: name("mail.example.com"))),
            (.srv, .server(priority: 1, weight: 2, port: 389, target: name("ldap.example.com"))),
            (.txt, .texts([Array("v=spf1".utf8), [], [0, 255]])),
            (
                .soa,
                .names(
                    NamedData(
                        prefix: [], names: [name("ns.example.com"), name("admin.example.com")],
                        suffix: [0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 3, 0, 0, 0, 4, 0, 0, 0, 5]))
            ),
            (
                .https,
                .service(ServiceBinding(priority: 1, target: .root, parameters: [.init(key: 1, value: [2, 104, 50])]))
            ),
            (.svcb, .service(ServiceBinding(priority: 0, target: name("alias.example.com")))),
            (DNSType(rawValue: 43), .opaque([1, 2, 3])), (DNSType(rawValue: 65280), .opaque([])),
            (DNSType(rawValue: 17), .names(NamedData(prefix: [], names: [name("a.b"), .root], suffix: []))),
        ])
    func types(type: DNSType, data: DNSData) throws {
        var message = Self.query("example.com", type).answer(.noError)
        message.answers = [DNSRecord(Self.name("example.com"), type, ttl: 300, data: data)]
        #expect(try DNSMessage(message.encoded()) == message)
    }

    @Test("names are the same whatever their case, and keep it")
    func names() throws {
        let upper = try #require(DNSName(labels: [Array("WWW".utf8), Array("Example".utf8)]))
        #expect(upper == Self.name("www.example") && upper.hashValue == Self.name("www.example").hashValue)
        #expect(upper.description == "WWW.Example")
        #expect(DNSName.root.description == "." && DNSName.root.domainName == .root)
    }

    @Test(
        "a name with other bytes is no name that people write",
        arguments: [
            [[UInt8(ascii: "a"), 0]], [Array("a.b".utf8)], [[0xC3, 0xA4]], [Array("a b".utf8)], [[0x0A]],
            [Array("1".utf8), Array("2".utf8), Array("3".utf8), Array("4".utf8)], [Array("*".utf8)],
        ])
    func noName(labels: [[UInt8]]) throws {
        let name = try #require(DNSName(labels: labels))
        #expect(name.domainName == nil)
        #expect(name.description.utf8.allSatisfy { (0x21...0x7E).contains($0) })
        let message = DNSMessage(id: 1, question: DNSQuestion(name, .a))
        #expect(try DNSMessage(message.encoded()).question?.name.labels == labels)
        #expect(try DNSMessage(message.answer(.refused).encoded()).flags.code == .refused)
    }

    @Test("names that are too long are none")
    func longNames() {
        let label = [UInt8](repeating: 97, count: 63)
        #expect(DNSName(labels: [label + [97]]) == nil)
        #expect(DNSName(labels: [[]]) == nil)
        #expect(DNSName(labels: [label, label, label, [UInt8](repeating: 97, count: 61)])?.length == 255)
        #expect(DNSName(labels: [label, label, label, [UInt8](repeating: 97, count: 62)]) == nil)
    }

    @Test(
        "what is no message is refused",
        arguments: [
            ([], DNSError.short), ([UInt8](repeating: 0, count: 11), .short),
            ([0, 1, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0], .tooMany), ([0, 1, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0], .short),
            ([0, 1, 0, 0, 0, 0, 0xFF, 0xFF, 0, 0, 0, 0], .tooMany),
            // A pointer to itself, forward, into the header, and two in a ring.
            ([0, 1, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0xC0, 12, 0, 1, 0, 1], .name),
            ([0, 1, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0xC0, 14, 0, 1, 0, 1], .name),
            ([0, 1, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0xC0, 0, 0, 1, 0, 1], .name),
            ([0, 1, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 1, 97, 0xC0, 12, 0, 1, 0, 1], .name),
            // Kinds of labels that nobody has, a label beyond the end.
            ([0, 1, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0x40, 0, 0, 1, 0, 1], .name),
            ([0, 1, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0x80, 0, 0, 1, 0, 1], .name),
            ([0, 1, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 63, 97], .short),
            // An A record of three bytes, a CNAME with a byte after it, a TXT string beyond its data, data too short.
            ([0, 1, 0x80, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 1, 0, 1, 0, 0, 0, 0, 0, 3, 1, 2, 3], .data(.a)),
            ([0, 1, 0x80, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 5, 0, 1, 0, 0, 0, 0, 0, 2, 0, 0], .data(.cname)),
            ([0, 1, 0x80, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 16, 0, 1, 0, 0, 0, 0, 0, 2, 9, 0], .short),
            ([0, 1, 0x80, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 16, 0, 1, 0, 0, 0, 0, 0, 9, 0], .short),
            // OPT among the answers, OPT with a name, two of them.
            ([0, 1, 0x80, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 41, 0, 1, 0, 0, 0, 0, 0, 0], .extensions),
            ([0, 1, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 97, 0, 0, 41, 0, 1, 0, 0, 0, 0, 0, 0], .extensions),
            (
                [
                    0, 1, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 41, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 41, 0, 1, 0, 0, 0, 0,
                    0, 0,
                ],
                .extensions
            ),
            // HTTPS with keys out of order, and twice the same.
            (
                [0, 1, 0x80, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 65, 0, 1, 0, 0, 0, 0, 0, 11]
                    + [0, 1, 0, 0, 3, 0, 0, 0, 3, 0, 0], .data(.https)
            ),
        ] as [([UInt8], DNSError)])
    func malformed(bytes: [UInt8], error: DNSError) {
        #expect(throws: error) { try DNSMessage(bytes) }
    }

    @Test("whatever of an answer is cut off, nothing is read beyond its end")
    func cut() throws {
        var message = Self.query("www.example.com").answer(.noError)
        message.answers = [
            DNSRecord(Self.name("www.example.com"), .cname, ttl: 5, data: .name(Self.name("a.example.com"))),
            DNSRecord(Self.name("a.example.com"), ttl: 5, address: .v4(IPv4Address(192, 0, 2, 1))),
        ]
        let bytes = message.encoded()
        for count in 0..<bytes.count { #expect(throws: DNSError.self) { try DNSMessage(bytes.prefix(count)) } }
        for index in bytes.indices {
            for bit in 0..<8 {
                var changed = bytes
                changed[index] ^= 1 << bit
                if let read = try? DNSMessage(changed) { #expect(try DNSMessage(read.encoded()) == read) }
            }
        }
    }
}
