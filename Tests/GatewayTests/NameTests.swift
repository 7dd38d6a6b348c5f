import DNSMessage
import NetworkAddress
import Testing

@testable import Gateway

private let second: UInt64 = 1_000_000_000

@Suite("Names that the guest has resolved")
struct NameBindingsTests {
    private let address = IPAddress.v4(IPv4Address(192, 0, 2, 1))

    @Test("an address has the names it was given for, as long as the answers hold")
    func lives() throws {
        let (one, other) = (try #require(DomainName("b.example")), try #require(DomainName("a.example")))
        var bindings = NameBindings()
        bindings.add(one, address, life: 60 * second, at: 0)
        bindings.add(other, address, life: 20 * second, at: 0)
        #expect(bindings.names(of: address, at: 19 * second) == [other, one])
        #expect(bindings.names(of: address, at: 21 * second) == [one])
        #expect(bindings.names(of: address, at: 61 * second) == [])
        #expect(bindings.names(of: .v4(IPv4Address(192, 0, 2, 2)), at: 0) == [])
    }

    @Test("an answer that must not be kept holds for a moment")
    func shortest() throws {
        let name = try #require(DomainName("a.example"))
        var bindings = NameBindings()
        bindings.add(name, address, life: 0, at: 0)
        #expect(bindings.names(of: address, at: 5 * second) == [name])
        #expect(bindings.names(of: address, at: 11 * second) == [])
    }

    @Test("however many answers there are, a bounded number is kept, the freshest")
    func bound() throws {
        let name = try #require(DomainName("a.example"))
        var bindings = NameBindings()
        for number in 0..<50_000 as Range<UInt32> {
            bindings.add(name, .v4(IPv4Address(number)), life: UInt64(20 + number) * second, at: 0)
        }
        let kept = (0..<50_000 as Range<UInt32>).count { !bindings.names(of: .v4(IPv4Address($0)), at: 0).isEmpty }
        #expect((1000...20_000).contains(kept))
        #expect(bindings.names(of: .v4(IPv4Address(49_999)), at: 0) == [name])
    }
}

@Suite("Answers that are kept")
struct NameCacheTests {
    private func answer(_ ttl: UInt32, _ code: DNSCode = .noError) throws -> (DNSMessage, NameCache.Key) {
        let name = DNSName(try #require(DomainName("a.example")))
        let query = DNSMessage(id: 1, question: DNSQuestion(name, .a))
        var answer = query.answer(code)
        if code == .noError {
            answer.answers = [DNSRecord(name, ttl: ttl, address: .v4(IPv4Address(192, 0, 2, 1)))]
        }
        return (answer, NameCache.Key(query, try #require(query.question)))
    }

    @Test("an answer is given as long as it holds, with the time that is left")
    func ages() throws {
        let (answer, key) = try answer(60)
        var cache = NameCache()
        cache.add(answer, key, at: 100 * second)
        #expect(cache.answer(key, at: 110 * second)?.answers.first?.ttl == 50)
        #expect(cache.answer(key, at: 160 * second) == nil)
    }

    @Test("neither failures nor answers without a life are kept")
    func notKept() throws {
        var cache = NameCache()
        for (answer, key) in [try answer(0), try answer(60, .serverFailure), try answer(60, .noSuchName)] {
            cache.add(answer, key, at: 0)
            #expect(cache.answer(key, at: 0) == nil)
        }
    }
}

@Suite("The name servers of the host")
struct HostResolverTests {
    @Test("resolv.conf names up to three servers; what is no address is passed over")
    func servers() {
        let text = """
            # a comment
            search example.com
            nameserver 192.0.2.53
            nameserver\t2001:db8::53 # trailing
            nameserver fe80::1%eth0
            nameserver nonsense
            options edns0
            nameserver 192.0.2.54
            nameserver 192.0.2.55
            """
        #expect(
            HostResolver.servers(in: text).map(\.description) == [
                "192.0.2.53:53", "[2001:db8::53]:53", "192.0.2.54:53",
            ])
    }
}
