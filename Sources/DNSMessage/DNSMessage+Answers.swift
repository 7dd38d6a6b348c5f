import NetworkAddress

extension DNSMessage {
    /// The packet size that this gateway tells of: what passes everywhere in one piece (dnsflagday.net, 2020).
    public static let packetSize: UInt16 = 1232

    /// How it went, with the high bits of the extensions.
    public var responseCode: UInt16 { UInt16(extensions?.highCode ?? 0) << 4 | UInt16(flags.code.rawValue & 15) }

    /// How many bytes a packet of UDP may have that answers this query.
    public var answerSize: Int {
        min(max(Int(extensions?.packetSize ?? 0), Self.plainPacketSize), Self.maximumSize)
    }

    /// An answer to this query: the same id, the question letter by letter, and the extensions if it has any.
    public func answer(_ code: DNSCode, _ answers: [DNSRecord] = []) -> DNSMessage {
        var answer = DNSMessage(id: id, question: question)
        answer.flags.isResponse = true
        answer.flags.operation = flags.operation
        answer.flags.recursionDesired = flags.recursionDesired
        answer.flags.checkingDisabled = flags.checkingDisabled
        answer.flags.recursionAvailable = true
        answer.flags.code = code
        answer.answers = answers
        if let extensions { answer.extensions = Extensions(packetSize: Self.packetSize, dnssecOK: extensions.dnssecOK) }
        return answer
    }

    /// The answer to bytes that are no query which can be read; `nil` when there is nobody to answer.
    public static func formatError(for bytes: some Collection<UInt8>) -> DNSMessage? {
        queryID(of: bytes).map { DNSMessage(id: $0).answer(.formatError) }
    }

    /// Whether this is a server's answer to a query: the same id and the same question. The case of the name must be the
    /// same too when `exactCase`, which makes forging harder where the query had it mixed.
    public func isAnswer(to query: DNSMessage, exactCase: Bool = false) -> Bool {
        flags.isResponse && id == query.id && flags.operation == query.flags.operation && question == query.question
            && (!exactCase || question?.name.labels == query.question?.name.labels)
    }

    /// The records that lead from the question to its answer: aliases (CNAME) from name to name, and what the last of
    /// them has of the type asked for, with signatures. What else a server put among its answers is not among them.
    public var chain: [DNSRecord] {
        guard let question else { return [] }
        var name = question.name
        var seen: Set<DNSName> = []
        var chain: [DNSRecord] = []
        while seen.insert(name).inserted, seen.count <= Self.maximumAliases {
            let own = answers.filter { $0.name == name && $0.classCode == question.classCode }
            chain += own.filter { question.type == .any || $0.type == question.type || $0.type == Self.signature }
            guard question.type != .cname, question.type != .any,
                let alias = own.first(where: { $0.type == .cname }), let next = alias.canonicalName
            else { break }
            // The DNAME that the alias was made of, for who verifies.
            chain += answers.filter { $0.type == .dname && $0.name.isAbove(name) }
            chain.append(alias)
            name = next
        }
        return chain
    }

    /// The most aliases that are followed from a name to its addresses.
    public static let maximumAliases = 16
    /// RRSIG (RFC 4034).
    private static let signature = DNSType(rawValue: 46)

    /// The shortest time for which all its records hold, in seconds: as long it may be kept. `nil` without any.
    public var ttl: UInt32? { (answers + authorities).map(\.ttl).min() }

    /// For how long it may be kept that there is no such name or data, in seconds (RFC 2308 section 5); `nil` when the
    /// answer does not say.
    public var negativeTTL: UInt32? {
        authorities.lazy.compactMap { record -> UInt32? in
            guard record.type == .soa, case .names(let data) = record.data, data.suffix.count == 20 else { return nil }
            return min(record.ttl, data.suffix.suffix(4).reduce(0) { $0 << 8 | UInt32($1) })
        }.min()
    }

    /// With the times of all records made anew: `age` seconds less, and within `range`.
    public func aged(by age: UInt32, within range: ClosedRange<UInt32> = 0...0x7FFF_FFFF) -> DNSMessage {
        func aged(_ records: [DNSRecord]) -> [DNSRecord] {
            records.map { record in
                var record = record
                let rest = record.ttl > age ? record.ttl - age : 0
                record.ttl = min(max(rest, range.lowerBound), range.upperBound)
                return record
            }
        }
        var message = self
        message.answers = aged(answers)
        message.authorities = aged(authorities)
        message.additionals = aged(additionals)
        return message
    }
}

extension DNSName {
    /// Whether `other` is below this name.
    func isAbove(_ other: DNSName) -> Bool {
        other.labels.count > labels.count && Array(other.folded.suffix(labels.count)) == folded
    }
}

extension DNSName {
    /// The address that a name of the reverse tree is about: `1.2.0.192.in-addr.arpa`, or its like below `ip6.arpa`.
    public var reversedAddress: IPAddress? {
        guard let name = domainName else { return nil }
        let labels = Array(name.labels.reversed())
        guard labels.count > 2, labels[0] == "arpa" else { return nil }
        let rest = labels.dropFirst(2)
        if labels[1] == "in-addr", rest.count == 4 { return IPAddress(rest.joined(separator: ".")) }
        guard labels[1] == "ip6", rest.count == 32, rest.allSatisfy({ $0.utf8.count == 1 }) else { return nil }
        let digits = rest.compactMap { UInt8($0, radix: 16) }
        guard digits.count == 32 else { return nil }
        return IPAddress(bytes: stride(from: 0, to: 32, by: 2).map { digits[$0] << 4 | digits[$0 + 1] })
    }
}
