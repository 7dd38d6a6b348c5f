import DNSMessage
import LinuxSystem
import NetworkAddress
import NetworkPolicy
import NetworkStack
import SandboxState

/// Who in the guest has asked, and what.
struct NameAsker {
    /// The way back.
    enum Way {
        case datagram(from: Endpoint, to: Endpoint)
        case stream(NameStream)
    }

    let query: DNSMessage
    let way: Way
}

/// The guest's name server, whatever address it asks: it answers what the policy allows, from what the host's name servers
/// say, and remembers which addresses it gave for which names.
final class NameService {
    /// The port of DNS.
    static let port: UInt16 = 53
    /// Most questions that are asked at one time, and who wait for the answer to one.
    private static let (mostLookups, mostAskers) = (256, 64)
    /// For how long what the gateway itself answers holds, in seconds.
    private static let ownLife: UInt32 = 60

    private let given: [Endpoint]?
    private var resolver = HostResolver()
    private var cache = NameCache()
    private var lookups: [NameCache.Key: NameLookup] = [:]

    /// - Parameter servers: who is asked; `nil` for those that the host asks.
    init(_ servers: [Endpoint]?) { given = servers }

    // MARK: Questions

    /// The guest has sent a datagram to port 53.
    func datagramReceived(_ datagram: Datagram, in loop: GatewayLoop) {
        ask(datagram.payload, .datagram(from: datagram.from, to: datagram.to), in: loop)
    }

    /// The guest wants to speak to port 53.
    func streamRequested(_ id: ConnectionID, in loop: GatewayLoop) {
        if let limit = loop.connectionLimit() {
            loop.recordName(nil, rule: "limit", detail: limit)
            return loop.stack.refuse(id, .reset, at: loop.time)
        }
        loop.streams[id] = NameStream(id, in: loop)
        loop.stack.accept(id, at: loop.time)
    }

    /// Answers a question, now or later.
    func ask(_ bytes: [UInt8], _ way: NameAsker.Way, in loop: GatewayLoop) {
        guard let query = try? DNSMessage(bytes), !query.flags.isResponse else {
            // An answer that nobody has asked for is no question either.
            guard let error = DNSMessage.formatError(for: bytes) else { return }
            return answer(error, NameAsker(query: error, way: way), in: loop)
        }
        let asker = NameAsker(query: query, way: way)
        func refuse(_ code: DNSCode) { answer(query.answer(code), asker, in: loop) }
        guard query.flags.operation == 0, let question = query.question else { return refuse(.notImplemented) }
        guard let name = question.name.domainName, question.classCode == DNSRecord.internet else {
            loop.recordName(nil, rule: "name", detail: "'\(question.name)' is no name of a host")
            return refuse(.refused)
        }
        if let secret = loop.interception?.secret(in: name) {
            loop.recordName(name, rule: "secret \(secret)", detail: InterceptionLink.misplaced)
            return refuse(.refused)
        }
        if [.any, .axfr, .ixfr].contains(question.type) { return refuse(.notImplemented) }
        if name.text == "localhost" || name.text.hasSuffix(".localhost") {
            return answerSelf(
                asker, question, [.v4(IPv4Address(127, 0, 0, 1)), .v6(IPv6Address(high: 0, low: 1))], in: loop)
        }
        if let answered = memberAnswer(asker, question, name, in: loop) { return answer(answered, asker, in: loop) }
        let ruling = loop.judge.policy.decide(query: name)
        guard ruling.action == .allow else {
            loop.recordName(name, rule: ruling.told)
            return refuse(.refused)
        }
        if name == NetworkPolicy.hostName {
            let addresses = [loop.guest.gateway, loop.guest.gatewayV6]
            for address in addresses { bind(name, address, life: Self.ownLife, in: loop) }
            return answerSelf(asker, question, addresses, in: loop)
        }
        // Which hosts are in the host's networks is nothing that other servers know, or are to be asked.
        if let address = question.name.reversedAddress, loop.judge.isSpecial(address) { return refuse(.noSuchName) }
        look(up: question, asker, in: loop)
    }

    private func look(up question: DNSQuestion, _ asker: NameAsker, in loop: GatewayLoop) {
        let key = NameCache.Key(asker.query, question)
        if let known = cache.answer(key, at: loop.now) { return answer(asker, from: known, in: loop) }
        if let lookup = lookups[key] {
            if lookup.askers.count < Self.mostAskers { lookup.add(asker) }
            return
        }
        let servers = given ?? resolver.servers()
        guard !servers.isEmpty, lookups.count < Self.mostLookups else {
            let why = servers.isEmpty ? "the host has no name server; see --dns" : "too many questions at one time"
            loop.recordName(question.name.domainName, rule: "limit", detail: why)
            return answer(asker.query.answer(.serverFailure), asker, in: loop)
        }
        let lookup = NameLookup(key, servers) { $2.names.finished($0, $1, in: $2) }
        lookup.add(asker)
        lookups[key] = lookup
        lookup.askNext(in: loop)
    }

    /// A question was answered, or by nobody.
    private func finished(_ lookup: NameLookup, _ found: DNSMessage?, in loop: GatewayLoop) {
        lookups[lookup.key] = nil
        if let found { cache.add(found, lookup.key, at: loop.now) }
        for asker in lookup.askers {
            if let found {
                answer(asker, from: found, in: loop)
            } else {
                answer(asker.query.answer(.serverFailure), asker, in: loop)
            }
        }
    }

    // MARK: Answers

    /// Gives the guest what a server has said, as far as it may have it.
    private func answer(_ asker: NameAsker, from found: DNSMessage, in loop: GatewayLoop) {
        guard let question = asker.query.question, let name = question.name.domainName else { return }
        let (policy, surroundings) = (loop.judge.policy, loop.judge.surroundings)
        // The policy may have changed since it was asked.
        let ruling = policy.decide(query: name)
        guard ruling.action == .allow else {
            loop.recordName(name, rule: ruling.told)
            return answer(asker.query.answer(.refused), asker, in: loop)
        }
        var chain = found
        chain.answers = found.chain
        let hadAddresses = chain.answers.contains { $0.address != nil }
        chain.answers.removeAll { record in
            guard let address = record.address else { return false }
            let ruling = policy.decide(answer: address, for: name, in: surroundings)
            guard ruling.action == .deny else { return false }
            loop.recordName(name, rule: ruling.told, detail: "it leads to \(address)")
            return true
        }
        if hadAddresses, !chain.answers.contains(where: { $0.address != nil }) {
            return answer(asker.query.answer(.refused), asker, in: loop)
        }
        // Encrypted, the name of the server would be hidden from the interceptor too.
        let seesNames = policy.usesNames || loop.interception != nil
        if seesNames { chain = chain.withoutServiceHints() }
        let life = chain.answers.map(\.ttl).min() ?? 0
        for record in chain.answers {
            if let address = record.address { bind(name, address, life: life, in: loop) }
        }
        var message = asker.query.answer(found.flags.code, chain.answers)
        message.authorities = chain.authorities
        message.flags.isAuthentic = found.flags.isAuthentic && !seesNames
        answer(message, asker, in: loop)
    }

    /// Answers with addresses that the gateway itself knows.
    private func answerSelf(_ asker: NameAsker, _ question: DNSQuestion, _ addresses: [IPAddress], in loop: GatewayLoop)
    {
        let records = addresses.filter { question.type == ($0.isV4 ? .a : .aaaa) }.map {
            DNSRecord(question.name, ttl: Self.ownLife, address: $0)
        }
        answer(asker.query.answer(.noError, records), asker, in: loop)
    }

    private func bind(_ name: DomainName, _ address: IPAddress, life: UInt32, in loop: GatewayLoop) {
        loop.judge.bind(name, to: address, life: UInt64(life) * 1_000_000_000)
    }

    private func answer(_ message: DNSMessage, _ asker: NameAsker, in loop: GatewayLoop) {
        switch asker.way {
        case .datagram(let guest, let server):
            let bytes = message.encoded(limit: asker.query.answerSize)
            _ = bytes.withUnsafeBytes { loop.stack.sendDatagram(from: server, to: guest, $0, at: loop.time) }
        case .stream(let stream): stream.answer(message.encoded(), in: loop)
        }
    }
}
