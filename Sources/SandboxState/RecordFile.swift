import LinuxSystem

#if canImport(FoundationEssentials)
    import FoundationEssentials
#else
    import Foundation
#endif

/// Reads and writes records as JSON files.
public enum RecordFile {
    /// Reads a record from a file of at most 1 MiB.
    public static func read<Record: Decodable>(_ type: Record.Type, from path: String) throws(StateError) -> Record {
        do {
            return try JSONDecoder().decode(type, from: Data(try FileTree.read(path, limit: 1 << 20)))
        } catch { throw .inaccessible(path: path, reason: "\(error)") }
    }

    /// Reads a record from JSON text.
    /// - Parameter name: what the text is called in errors.
    public static func decode<Record: Decodable>(
        _ type: Record.Type, from text: [UInt8], named name: String
    ) throws(StateError) -> Record {
        do { return try JSONDecoder().decode(type, from: Data(text)) } catch {
            throw .inaccessible(path: name, reason: "\(error)")
        }
    }

    /// Writes a record so that readers see all of it or none.
    /// - Parameter durable: whether it is to be there after a power cut too.
    public static func write(
        _ record: some Encodable, to path: String, durable: Bool = false
    ) throws(StateError) {
        do { try FileTree.writeAtomically(try encode(record), to: path, durable: durable) } catch {
            throw .inaccessible(path: path, reason: "\(error)")
        }
    }

    /// A record as JSON text with a line feed at its end.
    public static func encode(_ record: some Encodable) throws -> [UInt8] {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
        return Array(try encoder.encode(record)) + [UInt8(ascii: "\n")]
    }
}
