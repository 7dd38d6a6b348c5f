import NetworkAddress

extension NetworkPolicy.Rule {
    /// The most bytes of a rule's text.
    public static let maximumText = 1024

    /// Reads what stands after `--allow` or `--deny`: `[ingress:]TARGET[:PORTS][/tcp|/udp|/icmp|/http|/tls]`.
    ///
    /// A target is `any`, a group, an address, a range, a name, or `*.` and a name; an address or a range of IPv6 stands
    /// in brackets when ports follow. Ports are numbers and ranges with commas between: `80,443,8000-8100`.
    public init(_ action: NetworkPolicy.Action, _ text: some StringProtocol) throws(NetworkPolicy.RuleError) {
        guard text.utf8.count <= Self.maximumText else { throw .tooLong }
        var rest = Substring(text)
        var direction = NetworkPolicy.Direction.egress
        for known in NetworkPolicy.Direction.allCases where rest.hasPrefix("\(known.rawValue):") {
            direction = known
            rest = rest.dropFirst(known.rawValue.count + 1)
            break
        }
        let suffix = try Self.takeSuffix(&rest)
        let ports = try Self.takePorts(&rest)
        try self.init(
            action, direction, NetworkPolicy.Target(rest), transport: suffix.transport, ports: ports,
            application: suffix.application)
    }

    /// Takes `/udp` and the like off the end.
    private static func takeSuffix(
        _ text: inout Substring
    ) throws(NetworkPolicy.RuleError) -> (transport: NetworkPolicy.Transport?, application: NetworkPolicy.Application?)
    {
        guard let slash = text.lastIndex(of: "/") else { return (nil, nil) }
        let word = text[text.index(after: slash)...]
        // The length of a prefix, with its ports or the bracket behind it.
        guard let first = word.utf8.first, !(0x30...0x39).contains(first) else { return (nil, nil) }
        text = text[..<slash]
        if let slash = text.lastIndex(of: "/"), text[text.index(after: slash)...].utf8.first.map(isLetter) == true {
            throw .suffixTwice(String(word))
        }
        if let transport = NetworkPolicy.Transport(rawValue: String(word)) { return (transport, nil) }
        if let application = NetworkPolicy.Application(rawValue: String(word)) { return (nil, application) }
        throw .suffix(String(word))
    }

    private static func isLetter(_ byte: UInt8) -> Bool { (0x61...0x7A).contains(byte | 0x20) }

    /// Takes `:80,443` off the end.
    private static func takePorts(_ text: inout Substring) throws(NetworkPolicy.RuleError) -> [ClosedRange<UInt16>] {
        guard let colon = text.lastIndex(of: ":") else { return [] }
        if text.hasPrefix("[") {
            // A colon within the brackets is the address's.
            guard let end = text.lastIndex(of: "]") else { throw .brackets(String(text)) }
            guard end < colon else { return [] }
        } else if text.utf8.filter({ $0 == UInt8(ascii: ":") }).count > 1 {
            // An address of IPv6 without brackets has no ports.
            return []
        }
        let list = text[text.index(after: colon)...]
        text = text[..<colon]
        var ports: [ClosedRange<UInt16>] = []
        for part in list.split(separator: ",", omittingEmptySubsequences: false) {
            guard ports.count < maximumPortRanges else { throw .tooManyPorts }
            let ends = part.split(separator: "-", omittingEmptySubsequences: false)
            guard let first = ends.first.flatMap(port), let last = ends.last.flatMap(port), ends.count <= 2,
                first <= last
            else { throw .ports(String(list)) }
            ports.append(first...last)
        }
        return ports
    }

    private static func port(_ text: Substring) -> UInt16? {
        guard (1...5).contains(text.utf8.count), text.utf8.allSatisfy({ (0x30...0x39).contains($0) }) else {
            return nil
        }
        return UInt16(text)
    }
}

extension NetworkPolicy.Target {
    /// Reads a target by itself.
    init(_ text: Substring) throws(NetworkPolicy.RuleError) {
        guard !text.isEmpty else { throw .empty }
        if text == "any" {
            self = .any
        } else if let group = NetworkPolicy.Group(rawValue: String(text)) {
            self = .group(group)
        } else if text.hasPrefix("[") {
            // Both `[2001:db8::]/32` and `[2001:db8::/32]` are seen.
            guard let end = text.firstIndex(of: "]") else { throw .brackets(String(text)) }
            let inner = text[text.index(after: text.startIndex)..<end] + text[text.index(after: end)...]
            guard inner.contains(":"), let range = try Self.range(Substring(inner)) else {
                throw .brackets(String(text))
            }
            self = .range(range)
        } else if let range = try Self.range(text) {
            self = .range(range)
        } else if text.contains("*") {
            guard text.hasPrefix("*."), let name = DomainName(text.dropFirst(2)) else { throw .wildcard(String(text)) }
            self = .below(name)
        } else if let name = DomainName(text),
            name.labels.last?.utf8.allSatisfy({ (0x30...0x39).contains($0) }) == false
        {
            guard name.labels.count > 1 || text.hasSuffix(".") else { throw .singleLabel(String(text)) }
            self = .name(name)
        } else {
            throw .target(String(text))
        }
    }

    /// The range or address that a text is; `nil` when it is neither.
    private static func range(_ text: Substring) throws(NetworkPolicy.RuleError) -> AddressRange? {
        let parts = text.split(separator: "/", maxSplits: 1, omittingEmptySubsequences: false)
        guard let first = parts.first, let address = IPAddress(first) else { return nil }
        guard parts.count == 2 else { return AddressRange(address) }
        if let range = AddressRange(text) { return range }
        guard parts[1].utf8.allSatisfy({ (0x30...0x39).contains($0) }), let length = Int(parts[1]),
            let range = AddressRange(address, length: length)
        else { throw .length(String(text)) }
        throw .hostBits(String(text), range)
    }
}

extension NetworkPolicy.Target: CustomStringConvertible {
    /// As it is read.
    public var description: String {
        switch self {
        case .any: "any"
        case .range(let range): "\(range)"
        case .name(let name): name.labels.count > 1 ? name.text : "\(name.text)."
        case .below(let name): "*.\(name.text)"
        case .group(let group): group.rawValue
        }
    }
}

extension NetworkPolicy.Rule: CustomStringConvertible {
    /// As it is read after `--allow` or `--deny`: `ingress:[2001:db8::/32]:8000-8100/tcp`.
    public var description: String {
        var text = direction == .egress ? "" : "\(direction.rawValue):"
        let suffix = application?.rawValue ?? transport?.rawValue
        if case .range(let range) = target, !range.base.isV4, !ports.isEmpty || suffix != nil {
            text += "[\(range)]"
        } else {
            text += "\(target)"
        }
        if !ports.isEmpty {
            text +=
                ":"
                + ports.map { $0.count == 1 ? "\($0.lowerBound)" : "\($0.lowerBound)-\($0.upperBound)" }
                .joined(separator: ",")
        }
        return suffix.map { "\(text)/\($0)" } ?? text
    }
}
