/// What a client says of itself at the start of TLS (RFC 8446 section 4.1.2), as far as an interceptor needs it.
struct ClientHello: Equatable {
    /// The name in the extension `server_name` (RFC 6066 section 3), as it was sent.
    var serverName: String?
    /// The protocols in the extension `application_layer_protocol_negotiation` (RFC 7301), the preferred first.
    var protocols: [String] = []

    /// Most bytes of records that are read before there must be a whole ClientHello. Those of real clients, keys of
    /// post-quantum cryptography included, have some 2 KiB.
    static let longest = 32_768

    /// Why there is no ClientHello.
    enum Malformation: Error, Equatable {
        case notTLS
        case tooLong
        case malformed
    }

    /// Reads the records at the start of a connection.
    /// - Returns: `nil` when more bytes are needed.
    static func read(_ bytes: some RandomAccessCollection<UInt8>) throws(Malformation) -> ClientHello? {
        guard let message = try handshakeMessage(Array(bytes)) else { return nil }
        var reader = Reader(message[...])
        do {
            return try hello(&reader)
        } catch {
            throw .malformed
        }
    }

    /// The body of the first handshake message, which may be spread over several records (section 5.1).
    private static func handshakeMessage(_ bytes: [UInt8]) throws(Malformation) -> [UInt8]? {
        var message: [UInt8] = []
        var position = 0
        while true {
            if let length = length(of: message), message.count >= 4 + length {
                return Array(message[4..<(4 + length)])
            }
            guard position < bytes.count else { break }
            guard bytes[position] == 22 else { throw .notTLS }
            guard position + 5 <= bytes.count else { break }
            guard bytes[position + 1] == 3 else { throw .notTLS }
            let length = Int(bytes[position + 3]) << 8 | Int(bytes[position + 4])
            // No empty fragments of handshake messages, and none beyond 2^14 bytes.
            guard (1...16_384).contains(length) else { throw .malformed }
            let end = min(position + 5 + length, bytes.count)
            message += bytes[(position + 5)..<end]
            if let type = message.first, type != 1 { throw .malformed }
            if let length = self.length(of: message), length > longest { throw .tooLong }
            position = position + 5 + length
        }
        guard bytes.count < longest else { throw .tooLong }
        return nil
    }

    private static func length(of message: [UInt8]) -> Int? {
        message.count < 4 ? nil : Int(message[1]) << 16 | Int(message[2]) << 8 | Int(message[3])
    }

    private static func hello(_ reader: inout Reader) throws -> ClientHello {
        var hello = ClientHello()
        _ = try reader.take(2 + 32)  // legacy_version, random
        _ = try reader.vector(1)  // legacy_session_id
        _ = try reader.vector(2)  // cipher_suites
        _ = try reader.vector(1)  // legacy_compression_methods
        guard !reader.rest.isEmpty else { return hello }
        var extensions = Reader(try reader.vector(2))
        guard reader.rest.isEmpty else { throw Malformation.malformed }
        var seen: Set<Int> = []
        while !extensions.rest.isEmpty {
            let type = try extensions.number(2)
            var body = Reader(try extensions.vector(2))
            guard seen.insert(type).inserted else { throw Malformation.malformed }
            switch type {
            case 0: hello.serverName = try serverName(&body)
            case 16: hello.protocols = try protocols(&body)
            default: break
            }
        }
        return hello
    }

    private static func serverName(_ reader: inout Reader) throws -> String? {
        var names = Reader(try reader.vector(2))
        guard reader.rest.isEmpty else { throw Malformation.malformed }
        var found: String?
        while !names.rest.isEmpty {
            let type = try names.number(1)
            let name = try names.vector(2)
            // One of each type (RFC 6066 section 3), and no type but host_name is known.
            guard type == 0, found == nil, !name.isEmpty, name.count <= 255,
                name.allSatisfy({ (0x21...0x7e).contains($0) })
            else { throw Malformation.malformed }
            found = String(decoding: name, as: UTF8.self)
        }
        return found
    }

    private static func protocols(_ reader: inout Reader) throws -> [String] {
        var list = Reader(try reader.vector(2))
        guard reader.rest.isEmpty else { throw Malformation.malformed }
        var found: [String] = []
        while !list.rest.isEmpty {
            let name = try list.vector(1)
            guard !name.isEmpty else { throw Malformation.malformed }
            found.append(String(decoding: name, as: UTF8.self))
        }
        return found
    }

    /// Takes fields off the front of some bytes.
    private struct Reader {
        private(set) var rest: ArraySlice<UInt8>

        init(_ bytes: ArraySlice<UInt8>) { rest = bytes }

        mutating func take(_ count: Int) throws -> ArraySlice<UInt8> {
            guard count <= rest.count else { throw Malformation.malformed }
            defer { rest = rest.dropFirst(count) }
            return rest.prefix(count)
        }

        mutating func number(_ bytes: Int) throws -> Int { try take(bytes).reduce(0) { $0 << 8 | Int($1) } }

        /// A vector whose length comes before it in so many bytes (section 3.4).
        mutating func vector(_ lengthBytes: Int) throws -> ArraySlice<UInt8> { try take(try number(lengthBytes)) }
    }
}
