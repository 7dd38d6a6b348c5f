import NetworkAddress
import Testing

@testable import DNSMessage

@Suite("Answers of DNS")
struct AnswerTests {
    private func name(_ text: String) -> DNSName { MessageTests.name(text) }

    private func address(_ owner: String, _ text: String, ttl: UInt32 = 60) throws -> DNSRecord {
        DNSRecord(name(owner), ttl: ttl, address: try #require(IPAddress(text)))
    }

    @Test("an answer has the question letter by letter, and extensions if they were asked with")
    func question() throws {
        let mixed = try #require(DNSName(labels: [Array("eXaMple".utf8), Array("COM".utf8)]))
        var query = DNSMessage(id: 9, question: DNSQuestion(mixed, .a))
        query.flags.recursionDesired = true
        #expect(query.answerSize == 512)
        let refusal = try DNSMessage(query.answer(.refused).encoded())
        #expect(refusal.isAnswer(to: query, exactCase: true) && refusal.extensions == nil)
        #expect(refusal.flags.recursionDesired && refusal.flags.recursionAvailable && refusal.responseCode == 5)
        query.extensions = DNSMessage.Extensions(packetSize: 4096, dnssecOK: true)
        #expect(query.answerSize == 4096)
        #expect(query.answer(.noSuchName).extensions == DNSMessage.Extensions(packetSize: 1232, dnssecOK: true))
        query.extensions?.packetSize = 100
        #expect(query.answerSize == 512)
    }

    @Test("what answers another query is no answer")
    func others() {
        let query = MessageTests.query("a.example")
        let answer = query.answer(.noError)
        #expect(answer.isAnswer(to: query))
        #expect(!query.isAnswer(to: query))
        #expect(!MessageTests.query("b.example").answer(.noError).isAnswer(to: query))
        #expect(!MessageTests.query("a.example", .aaaa).answer(.noError).isAnswer(to: query))
        var other = answer
        other.id = 1
        #expect(!other.isAnswer(to: query))
    }

    @Test("bytes that are no query are told so, when they have an id")
    func formatError() {
        #expect(DNSMessage.formatError(for: [1, 2, 3]) == nil)
        #expect(DNSMessage.formatError(for: [0, 7, 0x80] + [UInt8](repeating: 0, count: 20)) == nil)
        let answer = DNSMessage.formatError(for: [0, 7, 1, 0, 0, 9] + [UInt8](repeating: 0, count: 6))
        #expect(answer?.id == 7 && answer?.flags.code == .formatError)
    }

    @Test("an answer that does not fit says so and has as many records as fit", arguments: [512, 600, 1232])
    func truncation(limit: Int) throws {
        let query = MessageTests.query("many.example")
        let answers = try (0..<100).map { try address("many.example", "192.0.2.\($0)") }
        let bytes = query.answer(.noError, answers).encoded(limit: limit)
        #expect(bytes.count <= limit && bytes.count > limit - 16)
        let message = try DNSMessage(bytes)
        #expect(message.flags.isTruncated && message.answers == Array(answers.prefix(message.answers.count)))
        #expect(try !DNSMessage(query.answer(.noError, answers).encoded()).flags.isTruncated)
    }

    @Test("a message that came truncated loses nothing more")
    func truncatedBefore() throws {
        var answer = MessageTests.query("a.example").answer(.noError, [try address("a.example", "192.0.2.1")])
        answer.flags.isTruncated = true
        answer.authorities = [DNSRecord(name("example"), .ns, ttl: 9, data: .name(name("ns.example")))]
        answer.additionals = [try address("ns.example", "192.0.2.2")]
        #expect(try DNSMessage(answer.encoded()) == answer)
    }

    @Test("what only helps may be left out silently, and the longest question fits with extensions")
    func leftOut() throws {
        var answer = MessageTests.query("a.example").answer(.noError, [try address("a.example", "192.0.2.1")])
        answer.additionals = try (0..<100).map { try address("b\($0).example", "192.0.2.1") }
        let message = try DNSMessage(answer.encoded(limit: 512))
        #expect(!message.flags.isTruncated && message.answers.count == 1 && message.additionals.count < 100)
        let label = [UInt8](repeating: 97, count: 61)
        var query = DNSMessage(
            id: 1, question: DNSQuestion(try #require(DNSName(labels: [label, label, label, label])), .a))
        query.extensions = DNSMessage.Extensions(packetSize: 512)
        query.extensions?.options = [
            .init(code: 1, data: [UInt8](repeating: 0, count: 600)), .init(code: 2, data: [1]),
        ]
        let bytes = query.encoded(limit: 512)
        #expect(bytes.count <= 512)
        #expect(try DNSMessage(bytes).extensions?.options == [.init(code: 2, data: [1])])
    }

    @Test("only what leads from the question to its answer is the answer")
    func chain() throws {
        var answer = MessageTests.query("a.example").answer(.noError)
        let alias = DNSRecord(name("a.example"), .cname, ttl: 9, data: .name(name("b.example")))
        let next = DNSRecord(name("b.example"), .cname, ttl: 9, data: .name(name("c.example")))
        answer.answers = [
            try address("c.example", "192.0.2.3"), try address("evil.example", "10.0.0.1"), next, alias,
            DNSRecord(name("c.example"), .txt, ttl: 9, data: .texts([[1]])),
        ]
        #expect(answer.chain == [alias, next, try address("c.example", "192.0.2.3")])
        // A ring of aliases ends.
        answer.answers = [alias, DNSRecord(name("b.example"), .cname, ttl: 9, data: .name(name("a.example")))]
        #expect(answer.chain.count == 2)
        // One that is longer than anybody's is followed no further.
        answer.answers = (0..<100).map {
            DNSRecord(
                name($0 == 0 ? "a.example" : "a\($0).example"), .cname, ttl: 9, data: .name(name("a\($0 + 1).example")))
        }
        #expect(answer.chain.count == DNSMessage.maximumAliases)
    }

    @Test("times are shortened, and kept within bounds")
    func times() throws {
        var answer = MessageTests.query("a.example").answer(.noError)
        answer.answers = [
            try address("a.example", "192.0.2.1", ttl: 100), try address("a.example", "192.0.2.2", ttl: 5),
        ]
        #expect(answer.ttl == 5)
        #expect(answer.aged(by: 10).answers.map(\.ttl) == [90, 0])
        #expect(answer.aged(by: 0, within: 10...60).answers.map(\.ttl) == [60, 10])
        // A time with its first bit set is none.
        answer.answers[0].ttl = 0x8000_0000
        #expect(try DNSMessage(answer.encoded()).answers[0].ttl == 0)
    }

    @Test("for how long nothing is there is what the zone says")
    func negative() {
        var answer = MessageTests.query("a.example").answer(.noSuchName)
        #expect(answer.negativeTTL == nil)
        let times: [UInt8] = [0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 3, 0, 0, 0, 4, 0, 0, 0, 50]
        answer.authorities = [
            DNSRecord(
                name("example"), .soa, ttl: 70,
                data: .names(NamedData(prefix: [], names: [name("ns.example"), name("x.example")], suffix: times)))
        ]
        #expect(answer.negativeTTL == 50)
        answer.authorities[0].ttl = 20
        #expect(answer.negativeTTL == 20)
    }

    @Test("keys and address hints are taken out of HTTPS and SVCB records", arguments: [DNSType.https, .svcb])
    func hints(type: DNSType) throws {
        var answer = MessageTests.query("a.example", type).answer(.noError)
        let target = name("svc.example.net")
        answer.answers = [
            DNSRecord(
                name("a.example"), type, ttl: 60,
                data: .service(
                    ServiceBinding(
                        priority: 1, target: target,
                        parameters: [
                            .init(key: 0, value: [0, 1, 0, 5]), .init(key: 1, value: [2, 104, 50]),
                            .init(key: 4, value: [192, 0, 2, 1]), .init(key: 5, value: [1, 2, 3]),
                            .init(key: 6, value: [UInt8](repeating: 0, count: 16)),
                        ])))
        ]
        let stripped = try DNSMessage(answer.withoutServiceHints().encoded())
        guard case .service(let binding)? = stripped.answers.first?.data else {
            Issue.record("no binding")
            return
        }
        #expect(binding.target == target)
        #expect(binding.parameters == [.init(key: 0, value: [0, 1]), .init(key: 1, value: [2, 104, 50])])
        #expect(binding.removing([1]).parameters.isEmpty)
    }

    @Test(
        "an address is seen in a name of the reverse tree",
        arguments: [
            ("1.2.0.192.in-addr.arpa", "192.0.2.1"),
            ("1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa", "2001:db8::1"),
            ("2.0.192.in-addr.arpa", nil), ("x.2.0.192.in-addr.arpa", nil), ("1.ip6.arpa", nil), ("example.com", nil),
        ] as [(String, String?)])
    func reverse(text: String, address: String?) {
        #expect(name(text).reversedAddress == address.flatMap { IPAddress($0) })
    }
}
