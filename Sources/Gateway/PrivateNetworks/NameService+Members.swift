import DNSMessage
import NetworkAddress

extension NameService {
    /// For how long an answer about a member holds, in seconds: sandboxes come and go, and get other names.
    private static let memberLife: UInt32 = 5

    /// What is answered to a question for a member of a private network, whatever the policy says of names, since the
    /// question goes nowhere; `nil` when it is for somebody else.
    func memberAnswer(_ asker: NameAsker, _ question: DNSQuestion, _ name: DomainName, in loop: GatewayLoop)
        -> DNSMessage?
    {
        guard let networks = loop.networks else { return nil }
        if let address = question.name.reversedAddress {
            guard networks.contains(address) else { return nil }
            guard let name = networks.name(of: address).map({ DNSName($0) }) else {
                return asker.query.answer(.noSuchName)
            }
            let record = DNSRecord(question.name, .ptr, ttl: Self.memberLife, data: .name(name))
            return asker.query.answer(.noError, question.type == .ptr ? [record] : [])
        }
        guard let addresses = networks.addresses(named: name, in: loop) else { return nil }
        guard !addresses.isEmpty else { return asker.query.answer(.noSuchName) }
        let records = addresses.filter { question.type == ($0.isV4 ? .a : .aaaa) }.map {
            DNSRecord(question.name, ttl: Self.memberLife, address: $0)
        }
        return asker.query.answer(.noError, records)
    }
}
