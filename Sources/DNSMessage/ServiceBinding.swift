/// How a service is reached: the data of SVCB and HTTPS records (RFC 9460 section 2.2).
public struct ServiceBinding: Hashable, Sendable {
    /// 0 for an alias, else of several the least is tried first.
    public var priority: UInt16
    /// Who serves; the root means the owner of the record.
    public var target: DNSName
    /// What else is to be known, by ascending key.
    public var parameters: [Parameter]

    /// A key and its value.
    public struct Parameter: Hashable, Sendable {
        /// Which parameter.
        public var key: UInt16
        /// Its value, at most 65535 bytes.
        public var value: [UInt8]

        /// A parameter.
        public init(key: UInt16, value: [UInt8]) {
            self.key = key
            self.value = value
        }
    }

    /// Which keys a client has to know.
    public static let mandatory: UInt16 = 0
    /// Addresses of IPv4 to try before any were asked for.
    public static let ipv4hint: UInt16 = 4
    /// What encrypts the server's name in a ClientHello (RFC 9848).
    public static let ech: UInt16 = 5
    /// Addresses of IPv6 to try before any were asked for.
    public static let ipv6hint: UInt16 = 6

    /// A binding.
    public init(priority: UInt16, target: DNSName, parameters: [Parameter] = []) {
        self.priority = priority
        self.target = target
        self.parameters = parameters
    }

    /// Without some parameters, also in the list of those that are mandatory.
    public func removing(_ keys: Set<UInt16>) -> ServiceBinding {
        var binding = self
        binding.parameters = parameters.compactMap { parameter in
            guard !keys.contains(parameter.key) else { return nil }
            guard parameter.key == Self.mandatory else { return parameter }
            var kept: [UInt8] = []
            for pair in stride(from: 0, to: parameter.value.count - 1, by: 2) {
                let key = UInt16(parameter.value[pair]) << 8 | UInt16(parameter.value[pair + 1])
                if !keys.contains(key) { kept += key.bytes }
            }
            return kept.isEmpty ? nil : Parameter(key: Self.mandatory, value: kept)
        }
        return binding
    }
}

extension DNSMessage {
    /// Without what would lead a client past the rules by name: `ech` and address hints of SVCB and HTTPS records.
    ///
    /// The records change, so signatures over them (DNSSEC) no longer fit.
    public func withoutServiceHints() -> DNSMessage {
        func strip(_ records: [DNSRecord]) -> [DNSRecord] {
            records.map { record in
                guard case .service(let binding) = record.data else { return record }
                var record = record
                record.data = .service(
                    binding.removing([ServiceBinding.ech, ServiceBinding.ipv4hint, ServiceBinding.ipv6hint]))
                return record
            }
        }
        var message = self
        message.answers = strip(answers)
        message.authorities = strip(authorities)
        message.additionals = strip(additionals)
        return message
    }
}
