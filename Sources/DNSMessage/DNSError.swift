/// Why bytes are no message of DNS.
public enum DNSError: Error, Hashable, Sendable, CustomStringConvertible {
    /// They end within a part.
    case short
    /// A name that is too long, or whose compression leads nowhere or forward (RFC 1035 section 4.1.4).
    case name
    /// More records than `DNSMessage.maximumRecords`, or more than one question.
    case tooMany
    /// A record whose data is not what its type has.
    case data(DNSType)
    /// Two OPT records, or one that is not the root's (RFC 6891 section 6.1.1).
    case extensions

    /// One line.
    public var description: String {
        switch self {
        case .short: "the message ends too early"
        case .name: "a name is too long or badly compressed"
        case .tooMany: "the message has too many questions or records"
        case .data(let type): "the data of a record of type \(type) is malformed"
        case .extensions: "the record for extensions (OPT) is malformed"
        }
    }
}
