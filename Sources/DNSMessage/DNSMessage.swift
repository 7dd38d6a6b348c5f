/// A message of DNS (RFC 1035 section 4), with the extensions of RFC 6891.
public struct DNSMessage: Hashable, Sendable {
    /// What joins an answer with its query.
    public var id: UInt16
    /// What stands in the header besides.
    public var flags = Flags()
    /// What is asked: one question in every message of today (RFC 9619).
    public var question: DNSQuestion?
    /// The records that answer.
    public var answers: [DNSRecord] = []
    /// Who has the authority, or that there is no such name or data.
    public var authorities: [DNSRecord] = []
    /// What helps besides; without OPT.
    public var additionals: [DNSRecord] = []
    /// What the OPT record says, if there is one.
    public var extensions: Extensions?

    /// The most records of all sections together.
    public static let maximumRecords = 1000
    /// The most bytes of a message.
    public static let maximumSize = 65535
    /// The most bytes in a packet of UDP for who says nothing of extensions (RFC 1035 section 4.2.1).
    public static let plainPacketSize = 512

    /// A message without records.
    public init(id: UInt16, flags: Flags = Flags(), question: DNSQuestion? = nil) {
        self.id = id
        self.flags = flags
        self.question = question
    }

    /// The bits of the header (RFC 1035 section 4.1.1, RFC 4035 section 3.2).
    public struct Flags: Hashable, Sendable {
        /// Whether it answers (QR).
        public var isResponse = false
        /// What is wanted, from 0 to 15: a query is 0.
        public var operation: UInt8 = 0
        /// Whether who answers has the authority (AA).
        public var isAuthoritative = false
        /// Whether something was left out for lack of room (TC).
        public var isTruncated = false
        /// Whether the server shall ask others (RD).
        public var recursionDesired = false
        /// Whether the server can ask others (RA).
        public var recursionAvailable = false
        /// Whether the answer was verified by DNSSEC (AD).
        public var isAuthentic = false
        /// Whether answers that fail to verify are wanted all the same (CD).
        public var checkingDisabled = false
        /// The low four bits of how it went.
        public var code: DNSCode = .noError

        /// All zero.
        public init() {}

        init(bits: UInt16) {
            isResponse = bits & 0x8000 != 0
            operation = UInt8(bits >> 11 & 15)
            isAuthoritative = bits & 0x400 != 0
            isTruncated = bits & 0x200 != 0
            recursionDesired = bits & 0x100 != 0
            recursionAvailable = bits & 0x80 != 0
            isAuthentic = bits & 0x20 != 0
            checkingDisabled = bits & 0x10 != 0
            code = DNSCode(rawValue: UInt8(bits & 15))
        }

        var bits: UInt16 {
            var bits = UInt16(operation & 15) << 11 | UInt16(code.rawValue & 15)
            for (isSet, bit) in [
                (isResponse, 0x8000), (isAuthoritative, 0x400), (isTruncated, 0x200), (recursionDesired, 0x100),
                (recursionAvailable, 0x80), (isAuthentic, 0x20), (checkingDisabled, 0x10),
            ] as [(Bool, UInt16)] where isSet { bits |= bit }
            return bits
        }
    }

    /// What the OPT record says (RFC 6891).
    public struct Extensions: Hashable, Sendable {
        /// The largest packet of UDP that the sender takes, in bytes; less than 512 means 512.
        public var packetSize: UInt16
        /// The high eight bits of how it went.
        public var highCode: UInt8 = 0
        /// The version of the extensions: 0.
        public var version: UInt8 = 0
        /// Whether records of DNSSEC are wanted (DO).
        public var dnssecOK = false
        /// Options, in their order.
        public var options: [Option] = []

        /// Extensions without options.
        public init(packetSize: UInt16, dnssecOK: Bool = false) {
            self.packetSize = packetSize
            self.dnssecOK = dnssecOK
        }

        /// A number and bytes that mean something together.
        public struct Option: Hashable, Sendable {
            /// Which option.
            public var code: UInt16
            /// Its data, at most 65535 bytes.
            public var data: [UInt8]

            /// An option.
            public init(code: UInt16, data: [UInt8]) {
                self.code = code
                self.data = data
            }
        }
    }
}

/// What is asked: a name, a type of records, a class.
public struct DNSQuestion: Hashable, Sendable {
    /// The name, in the case in which it came: an answer has it in the same.
    public var name: DNSName
    /// Which records.
    public var type: DNSType
    /// Nearly always the internet's: 1.
    public var classCode: UInt16

    /// A question.
    public init(_ name: DNSName, _ type: DNSType, classCode: UInt16 = DNSRecord.internet) {
        self.name = name
        self.type = type
        self.classCode = classCode
    }
}

/// How a query went (IANA's DNS RCODEs).
public struct DNSCode: RawRepresentable, Hashable, Sendable, CustomStringConvertible {
    /// Its number.
    public var rawValue: UInt8

    /// The code of a number.
    public init(rawValue: UInt8) { self.rawValue = rawValue }

    /// There is an answer, or the name has no records of the type.
    public static let noError = DNSCode(rawValue: 0)
    /// The query was not understood.
    public static let formatError = DNSCode(rawValue: 1)
    /// The server could not find out.
    public static let serverFailure = DNSCode(rawValue: 2)
    /// There is no such name.
    public static let noSuchName = DNSCode(rawValue: 3)
    /// The server does not do such things.
    public static let notImplemented = DNSCode(rawValue: 4)
    /// The server does not want to.
    public static let refused = DNSCode(rawValue: 5)

    /// As tools for DNS print it.
    public var description: String {
        switch self {
        case .noError: "NOERROR"
        case .formatError: "FORMERR"
        case .serverFailure: "SERVFAIL"
        case .noSuchName: "NXDOMAIN"
        case .notImplemented: "NOTIMP"
        case .refused: "REFUSED"
        default: "RCODE\(rawValue)"
        }
    }
}

/// A type of records (IANA's DNS parameters).
public struct DNSType: RawRepresentable, Hashable, Sendable, CustomStringConvertible {
    /// Its number.
    public var rawValue: UInt16

    /// The type of a number.
    public init(rawValue: UInt16) { self.rawValue = rawValue }

    /// An address of IPv4.
    public static let a = DNSType(rawValue: 1)
    /// A server with authority.
    public static let ns = DNSType(rawValue: 2)
    /// The name that a name is an alias of.
    public static let cname = DNSType(rawValue: 5)
    /// The start of a zone.
    public static let soa = DNSType(rawValue: 6)
    /// The name of an address.
    public static let ptr = DNSType(rawValue: 12)
    /// A server for mail.
    public static let mx = DNSType(rawValue: 15)
    /// Text.
    public static let txt = DNSType(rawValue: 16)
    /// An address of IPv6.
    public static let aaaa = DNSType(rawValue: 28)
    /// A server for a service.
    public static let srv = DNSType(rawValue: 33)
    /// The name that all names below one are aliases below of.
    public static let dname = DNSType(rawValue: 39)
    /// Extensions of the message itself.
    public static let opt = DNSType(rawValue: 41)
    /// How a service is reached (RFC 9460).
    public static let svcb = DNSType(rawValue: 64)
    /// How a web server is reached (RFC 9460).
    public static let https = DNSType(rawValue: 65)
    /// In questions: the zone, or what has changed in it; for servers among themselves.
    public static let ixfr = DNSType(rawValue: 251), axfr = DNSType(rawValue: 252)
    /// In questions: whatever there is.
    public static let any = DNSType(rawValue: 255)

    /// As tools for DNS print it.
    public var description: String { Self.names[rawValue] ?? "TYPE\(rawValue)" }

    private static let names: [UInt16: String] = [
        1: "A", 2: "NS", 5: "CNAME", 6: "SOA", 12: "PTR", 15: "MX", 16: "TXT", 28: "AAAA", 33: "SRV", 39: "DNAME",
        41: "OPT", 64: "SVCB", 65: "HTTPS", 251: "IXFR", 252: "AXFR", 255: "ANY",
    ]
}
