#if canImport(FoundationEssentials)
    import FoundationEssentials
#else
    import Foundation
#endif

/// What an interceptor is told.
public enum InterceptionOrder: Equatable, Sendable {
    /// The first message, with the values of its secrets.
    case configure(InterceptionConfiguration)
    /// A connection, with its two sockets.
    case connection(ConnectionOrder)
}

// Both are JSON objects with one member, whose name is that of the case.

extension InterceptionOrder: Codable {
    private enum Key: String, CodingKey { case configure, connection }

    /// Reads an object with one member.
    public init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: Key.self)
        if let value = try container.decodeIfPresent(InterceptionConfiguration.self, forKey: .configure) {
            self = .configure(value)
        } else {
            self = .connection(try container.decode(ConnectionOrder.self, forKey: .connection))
        }
    }

    /// Writes an object with one member.
    public func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: Key.self)
        switch self {
        case .configure(let value): try container.encode(value, forKey: .configure)
        case .connection(let value): try container.encode(value, forKey: .connection)
        }
    }
}

extension InterceptionEvent: Codable {
    private enum Key: String, CodingKey { case ready, failed, refused, unreplaced, closed, omitted }

    /// Reads an object with one member.
    public init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: Key.self)
        guard let key = container.allKeys.first, container.allKeys.count == 1 else {
            throw DecodingError.dataCorrupted(
                DecodingError.Context(codingPath: decoder.codingPath, debugDescription: "not one event"))
        }
        switch key {
        case .ready: self = .ready(try container.decode(Standing.self, forKey: key))
        case .failed: self = .failed(try container.decode(String.self, forKey: key))
        case .refused: self = .refused(try container.decode(Refusal.self, forKey: key))
        case .unreplaced: self = .unreplaced(try container.decode(Refusal.self, forKey: key))
        case .closed: self = .closed(try container.decode(Account.self, forKey: key))
        case .omitted: self = .omitted(try container.decode(Int.self, forKey: key))
        }
    }

    /// Writes an object with one member.
    public func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: Key.self)
        switch self {
        case .ready(let value): try container.encode(value, forKey: .ready)
        case .failed(let value): try container.encode(value, forKey: .failed)
        case .refused(let value): try container.encode(value, forKey: .refused)
        case .unreplaced(let value): try container.encode(value, forKey: .unreplaced)
        case .closed(let value): try container.encode(value, forKey: .closed)
        case .omitted(let value): try container.encode(value, forKey: .omitted)
        }
    }
}

/// Messages as bytes: JSON.
public enum InterceptionMessage {
    /// Most bytes of a message to an interceptor. Unix sockets take messages of 200 KiB unless told otherwise.
    public static let longestOrder = 192 << 10
    /// Most bytes of a message from an interceptor.
    public static let longestEvent = 16 << 10
    /// Most secrets of a configuration.
    public static let mostSecrets = 256

    /// The JSON of an order.
    public static func encoded(_ order: InterceptionOrder) throws(InterceptionError) -> [UInt8] {
        guard let bytes = try? JSONEncoder().encode(order) else { throw .unreadable("order") }
        return Array(bytes)
    }

    /// The bytes of an event.
    public static func encoded(_ event: InterceptionEvent) throws(InterceptionError) -> [UInt8] {
        guard let bytes = try? JSONEncoder().encode(event) else { throw .unreadable("event") }
        guard bytes.count <= longestEvent else { throw .tooLong }
        return Array(bytes)
    }

    /// Reads an event.
    public static func event(_ bytes: UnsafeRawBufferPointer) throws(InterceptionError) -> InterceptionEvent {
        guard bytes.count <= longestEvent else { throw .tooLong }
        guard let event = try? JSONDecoder().decode(InterceptionEvent.self, from: Data(bytes)) else {
            throw .unreadable("event")
        }
        return event
    }

    /// Reads an order.
    public static func order(_ bytes: UnsafeRawBufferPointer) throws(InterceptionError) -> InterceptionOrder {
        guard bytes.count <= longestOrder else { throw .tooLong }
        guard let order = try? JSONDecoder().decode(InterceptionOrder.self, from: Data(bytes)) else {
            throw .unreadable("order")
        }
        if case .configure(let configuration) = order { try configuration.check() }
        return order
    }
}

extension InterceptionConfiguration {
    /// Whether all is within its limits.
    /// - Throws: ``InterceptionError``, which names the secret.
    public func check() throws(InterceptionError) {
        guard secrets.count <= InterceptionMessage.mostSecrets else {
            throw .badSecret("", "there are more than \(InterceptionMessage.mostSecrets)")
        }
        var seen: [String] = []
        for secret in secrets {
            guard (1...128).contains(secret.name.unicodeScalars.count) else {
                throw .badSecret("", "a name has 1 to 128 characters")
            }
            let placeholder = secret.placeholder.utf8
            guard (16...128).contains(placeholder.count), placeholder.allSatisfy(Self.isPlaceholderByte) else {
                throw .badSecret(secret.name, "a placeholder is 16 to 128 letters, digits, hyphens and underscores")
            }
            // One that is part of another would be replaced within it.
            guard !seen.contains(where: { $0.contains(secret.placeholder) || secret.placeholder.contains($0) }) else {
                throw .badSecret(secret.name, "its placeholder is part of another's")
            }
            seen.append(secret.placeholder)
            guard !secret.hosts.isEmpty else { throw .badSecret(secret.name, "it is for no host") }
        }
    }

    private static func isPlaceholderByte(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
            UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "_"):
            true
        default: false
        }
    }
}
