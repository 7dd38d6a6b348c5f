import NetworkAddress

/// What a client of TLS says first (RFC 8446 section 4.1.2), as far as it matters on the way.
public struct ClientHello: Hashable, Sendable {
    /// The server's name as it came (RFC 6066 section 3); `nil` without one. Under ECH the outer one.
    public let serverNameBytes: [UInt8]?
    /// The protocols offered for inside (RFC 7301), such as `h2` and `http/1.1`.
    public let applicationProtocols: [[UInt8]]
    /// Whether a name is encrypted in it (ECH, RFC 9849), or pretended to be: clients do so to hide who really does.
    public let hasEncryptedHello: Bool
    /// Whether data may follow before the server has answered.
    public let offersEarlyData: Bool

    /// The server's name; `nil` without one, and for bytes that are no name.
    public var serverName: DomainName? {
        guard let bytes = serverNameBytes, bytes.allSatisfy({ (0x21...0x7E).contains($0) }) else { return nil }
        return DomainName(String(decoding: bytes, as: UTF8.self))
    }
}

extension ClientHello {
    /// Reads the message without its type and length; `nil` when it is malformed.
    init?(body bytes: ArraySlice<UInt8>) {
        var reader = TLSReader(bytes)
        guard let version = reader.number(2), version >> 8 == 3, reader.skip(32), let session = reader.vector(1),
            session.count <= 32, let suites = reader.vector(2), suites.count >= 2, suites.count % 2 == 0,
            let compressions = reader.vector(1), !compressions.isEmpty
        else { return nil }
        var names: [UInt8]?
        var protocols: [[UInt8]] = []
        var seen: Set<Int> = []
        if !reader.isAtEnd {
            guard let all = reader.vector(2), reader.isAtEnd else { return nil }
            var extensions = TLSReader(all)
            while !extensions.isAtEnd {
                guard let type = extensions.number(2), let data = extensions.vector(2), seen.insert(type).inserted
                else {
                    return nil
                }
                switch type {
                case Self.serverNameType:
                    guard let name = Self.serverName(data) else { return nil }
                    names = name
                case Self.protocolsType:
                    guard let list = Self.protocols(data) else { return nil }
                    protocols = list
                default: break
                }
            }
        }
        serverNameBytes = names
        applicationProtocols = protocols
        hasEncryptedHello = seen.contains(Self.encryptedHelloType) || seen.contains(Self.encryptedNameType)
        offersEarlyData = seen.contains(Self.earlyDataType)
    }

    private static let serverNameType = 0
    private static let protocolsType = 16
    private static let earlyDataType = 42
    private static let encryptedHelloType = 0xFE0D
    /// ECH's predecessor, ESNI.
    private static let encryptedNameType = 0xFFCE

    /// The one name of a list of names: nobody sends more, and servers would differ in which counts.
    private static func serverName(_ data: ArraySlice<UInt8>) -> [UInt8]? {
        var reader = TLSReader(data)
        guard let all = reader.vector(2), reader.isAtEnd else { return nil }
        var list = TLSReader(all)
        guard list.number(1) == 0, let name = list.vector(2), !name.isEmpty, list.isAtEnd else { return nil }
        return Array(name)
    }

    private static func protocols(_ data: ArraySlice<UInt8>) -> [[UInt8]]? {
        var reader = TLSReader(data)
        guard let all = reader.vector(2), reader.isAtEnd else { return nil }
        var list = TLSReader(all)
        var protocols: [[UInt8]] = []
        while !list.isAtEnd {
            guard let name = list.vector(1), !name.isEmpty else { return nil }
            protocols.append(Array(name))
        }
        return protocols
    }
}

/// Reads numbers and vectors as TLS has them (RFC 8446 section 3).
struct TLSReader {
    private var rest: ArraySlice<UInt8>

    init(_ bytes: ArraySlice<UInt8>) { rest = bytes }

    var isAtEnd: Bool { rest.isEmpty }

    /// A number of so many bytes, at most 3.
    mutating func number(_ size: Int) -> Int? {
        guard size <= rest.count else { return nil }
        defer { rest = rest.dropFirst(size) }
        return rest.prefix(size).reduce(0) { $0 << 8 | Int($1) }
    }

    mutating func skip(_ count: Int) -> Bool {
        guard count <= rest.count else { return false }
        rest = rest.dropFirst(count)
        return true
    }

    /// Bytes behind their count, which has so many bytes.
    mutating func vector(_ size: Int) -> ArraySlice<UInt8>? {
        guard let count = number(size), count <= rest.count else { return nil }
        defer { rest = rest.dropFirst(count) }
        return rest.prefix(count)
    }
}
