import LinuxSystem

#if canImport(FoundationEssentials)
    import FoundationEssentials
#else
    import Foundation
#endif

/// Reads and writes what is said about frozen machines as JSON.
public enum ManifestFile {
    /// Reads a file of at most 1 MiB.
    public static func read<Value: Decodable>(_ path: String) throws -> Value {
        try JSONDecoder().decode(Value.self, from: Data(try FileTree.read(path, limit: 1 << 20)))
    }

    /// Writes a file so that readers see all of it or none.
    /// - Parameter durable: whether it is to be there after a power cut too.
    public static func write(_ value: some Encodable, to path: String, durable: Bool) throws {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys]
        try FileTree.writeAtomically(
            Array(try encoder.encode(value)) + [UInt8(ascii: "\n")], to: path, durable: durable)
    }
}
