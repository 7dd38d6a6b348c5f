/// One field of a header or trailer section (RFC 9110 section 5), as bytes: what is not understood passes as it came.
public struct HeaderField: Hashable, Sendable {
    /// Its name, as it came.
    public var name: [UInt8]
    /// Its value, without spaces at its ends.
    public var value: [UInt8]
    /// Whether a secret's value is in it.
    public var isSecret = false

    /// A field.
    public init(name: [UInt8], value: [UInt8]) {
        self.name = name
        self.value = value
    }

    /// Whether it has this name, which is given in lower case.
    public func isNamed(_ lowercased: String) -> Bool {
        name.count == lowercased.utf8.count
            && zip(name, lowercased.utf8).allSatisfy { own, other in ASCII.lowercased(own) == other }
    }
}

extension [HeaderField] {
    /// The values of all fields with this name, which is given in lower case.
    public func values(_ lowercased: String) -> [[UInt8]] { filter { $0.isNamed(lowercased) }.map(\.value) }

    /// The members of the comma-separated lists in all fields with this name (RFC 9110 section 5.6.1), in lower case.
    public func members(_ lowercased: String) -> [[UInt8]] {
        values(lowercased).flatMap { $0.split(separator: UInt8(ascii: ",")) }
            .map { ASCII.trimmed($0).map(ASCII.lowercased) }.filter { !$0.isEmpty }
    }
}

/// A message's first line and header section (RFC 9112).
public struct HTTPHead: Hashable, Sendable {
    /// What the first line says.
    public enum Start: Hashable, Sendable {
        case request(method: [UInt8], target: [UInt8])
        /// A status from 100 to 999, and the words for it.
        case response(status: Int, reason: [UInt8])
    }

    /// What the first line says.
    public var start: Start
    /// The minor version: 0 or 1.
    public var minorVersion: Int
    /// The header section, in its order.
    public var fields: [HeaderField]

    /// A head.
    public init(start: Start, minorVersion: Int, fields: [HeaderField]) {
        self.start = start
        self.minorVersion = minorVersion
        self.fields = fields
    }

    /// Its bytes, the empty line included.
    public func encoded() -> [UInt8] {
        var bytes: [UInt8] = []
        // Grown once: an array that moves leaves a copy behind.
        bytes.reserveCapacity(fields.reduce(128) { $0 + $1.name.count + $1.value.count + 4 } + startLength)
        switch start {
        case .request(let method, let target):
            bytes += method
            bytes.append(UInt8(ascii: " "))
            bytes += target
            bytes += minorVersion == 0 ? Array(" HTTP/1.0\r\n".utf8) : Array(" HTTP/1.1\r\n".utf8)
        case .response(let status, let reason):
            bytes += minorVersion == 0 ? Array("HTTP/1.0 ".utf8) : Array("HTTP/1.1 ".utf8)
            bytes += Array("\(status) ".utf8)
            bytes += reason
            bytes += Array("\r\n".utf8)
        }
        Self.append(fields, to: &bytes)
        return bytes
    }

    private var startLength: Int {
        switch start {
        case .request(let method, let target): method.count + target.count
        case .response(_, let reason): reason.count
        }
    }

    /// Appends a trailer section after the last chunk, or a header section after the first line.
    public static func append(_ fields: [HeaderField], to bytes: inout [UInt8]) {
        for field in fields {
            bytes += field.name
            bytes += [UInt8(ascii: ":"), UInt8(ascii: " ")]
            bytes += field.value
            bytes += [13, 10]
        }
        bytes += [13, 10]
    }
}
