#if canImport(FoundationEssentials)
    import FoundationEssentials
#else
    import Foundation
#endif

/// JSON documents from strangers: their size and nesting are checked before they are parsed.
public enum BoundedJSON {
    /// The largest document, in bytes: what registries take for a manifest (distribution specification).
    public static let maximumSize = 4 << 20
    /// How deeply arrays and objects may be nested.
    public static let maximumDepth = 64

    /// Decodes a document.
    /// - Parameter document: what the document is, for messages.
    /// - Throws: ``OCIError/invalidDocument(_:reason:)``.
    public static func decode<Value: Decodable>(
        _ type: Value.Type, from bytes: [UInt8], document: String
    ) throws(OCIError) -> Value {
        guard bytes.count <= maximumSize else {
            throw .invalidDocument(document, reason: "it is larger than \(maximumSize) bytes")
        }
        guard isShallow(bytes) else {
            throw .invalidDocument(document, reason: "it is nested deeper than \(maximumDepth) levels")
        }
        do { return try JSONDecoder().decode(type, from: Data(bytes)) } catch {
            throw .invalidDocument(document, reason: Self.reason(error))
        }
    }

    /// Encodes a document the same way each time, so that its digest depends on nothing but its content.
    public static func encode(_ value: some Encodable, pretty: Bool = false) throws(OCIError) -> [UInt8] {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        if pretty { encoder.outputFormatting.insert(.prettyPrinted) }
        do { return [UInt8](try encoder.encode(value)) } catch {
            throw .invalidDocument("\(type(of: value))", reason: reason(error))
        }
    }

    private static func isShallow(_ bytes: [UInt8]) -> Bool {
        var depth = 0
        var inString = false
        var escaped = false
        for byte in bytes {
            if escaped {
                escaped = false
            } else if inString {
                if byte == UInt8(ascii: "\\") { escaped = true }
                if byte == UInt8(ascii: "\"") { inString = false }
            } else {
                switch byte {
                case UInt8(ascii: "\""): inString = true
                case UInt8(ascii: "["), UInt8(ascii: "{"):
                    depth += 1
                    if depth > maximumDepth { return false }
                case UInt8(ascii: "]"), UInt8(ascii: "}"): depth -= 1
                default: break
                }
            }
        }
        return true
    }

    /// One line for an error of JSONDecoder, whose own description runs over many.
    private static func reason(_ error: any Error) -> String {
        func place(_ context: DecodingError.Context) -> String {
            let path = context.codingPath.map { $0.intValue.map(String.init) ?? $0.stringValue }.joined(separator: ".")
            return path.isEmpty ? "" : " in \(path)"
        }
        switch error {
        case let error as OCIError: return error.description
        case DecodingError.keyNotFound(let key, let context):
            return "\"\(key.stringValue)\" is missing\(place(context))"
        case DecodingError.typeMismatch(_, let context), DecodingError.valueNotFound(_, let context):
            return "a value of an unexpected type\(place(context))"
        case DecodingError.dataCorrupted(let context) where !context.codingPath.isEmpty:
            return "\(context.debugDescription)\(place(context))"
        default: return "it is no valid JSON"
        }
    }
}
