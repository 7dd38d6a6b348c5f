import NetworkAddress

/// A record: what is said of a name, and for how long that holds.
public struct DNSRecord: Hashable, Sendable {
    /// Whose it is.
    public var name: DNSName
    /// Of which type.
    public var type: DNSType
    /// Nearly always `internet`.
    public var classCode: UInt16
    /// For how many seconds it may be kept.
    public var ttl: UInt32
    /// What it says.
    public var data: DNSData

    /// The class of the internet.
    public static let internet: UInt16 = 1

    /// A record whose data is that of its type.
    public init(_ name: DNSName, _ type: DNSType, classCode: UInt16 = internet, ttl: UInt32, data: DNSData) {
        self.name = name
        self.type = type
        self.classCode = classCode
        self.ttl = ttl
        self.data = data
    }

    /// The record of an address: A or AAAA.
    public init(_ name: DNSName, ttl: UInt32, address: IPAddress) {
        self.init(name, address.isV4 ? .a : .aaaa, ttl: ttl, data: .address(address))
    }

    /// The address, of an A or AAAA record of the internet.
    public var address: IPAddress? {
        guard classCode == Self.internet, case .address(let address) = data else { return nil }
        return address
    }

    /// The name that this one is an alias of, of a CNAME record.
    public var canonicalName: DNSName? {
        guard type == .cname, case .names(let data) = data else { return nil }
        return data.names.first
    }
}

/// What a record says, as far as this gateway reads it.
public enum DNSData: Hashable, Sendable {
    /// Of A and AAAA.
    case address(IPAddress)
    /// Of the types that hold names, which may come compressed.
    case names(NamedData)
    /// Of TXT: strings, each of at most 255 bytes.
    case texts([[UInt8]])
    /// Of SVCB and HTTPS.
    case service(ServiceBinding)
    /// Of all others: bytes without compressed names in them (RFC 3597 section 4).
    case opaque([UInt8])

    /// Of CNAME, PTR, NS, DNAME: a name.
    public static func name(_ name: DNSName) -> DNSData { .names(NamedData(prefix: [], names: [name], suffix: [])) }

    /// Of MX: a preference, of which the least is tried first, and the server.
    public static func mail(preference: UInt16, server: DNSName) -> DNSData {
        .names(NamedData(prefix: preference.bytes, names: [server], suffix: []))
    }

    /// Of SRV (RFC 2782).
    public static func server(priority: UInt16, weight: UInt16, port: UInt16, target: DNSName) -> DNSData {
        .names(NamedData(prefix: priority.bytes + weight.bytes + port.bytes, names: [target], suffix: []))
    }
}

/// Data of the older types: numbers, names, and numbers.
public struct NamedData: Hashable, Sendable {
    /// What stands before the names: of MX the preference, of SRV priority, weight and port.
    public var prefix: [UInt8]
    /// The names.
    public var names: [DNSName]
    /// What stands after: of SOA the serial number and four times in seconds.
    public var suffix: [UInt8]

    /// Data of these parts.
    public init(prefix: [UInt8], names: [DNSName], suffix: [UInt8]) {
        self.prefix = prefix
        self.names = names
        self.suffix = suffix
    }

    /// How many bytes and names a type has; `nil` for a type without names that may be compressed.
    ///
    /// These are the types of RFC 1035, and those later ones whose names were compressed before RFC 3597 forbade it.
    static func layout(of type: DNSType) -> (prefix: Int, names: Int, suffix: Int)? {
        switch type.rawValue {
        // NS, MD, MF, CNAME, MB, MG, MR, PTR, DNAME
        case 2, 3, 4, 5, 7, 8, 9, 12, 39: (0, 1, 0)
        // SOA
        case 6: (0, 2, 20)
        // MINFO, RP
        case 14, 17: (0, 2, 0)
        // MX, AFSDB, RT, KX
        case 15, 18, 21, 36: (2, 1, 0)
        // PX
        case 26: (2, 2, 0)
        // SRV
        case 33: (6, 1, 0)
        default: nil
        }
    }

    /// Whether writers may compress its names: only in the types that every reader has known since RFC 1035.
    static func isCompressed(in type: DNSType) -> Bool { [2, 5, 6, 12, 15].contains(type.rawValue) }
}

extension UInt16 {
    /// In network order.
    var bytes: [UInt8] { [UInt8(self >> 8), UInt8(self & 255)] }
}
