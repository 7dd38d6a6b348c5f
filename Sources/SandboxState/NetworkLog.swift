import Glibc
import LinuxSystem

#if canImport(FoundationEssentials)
    import FoundationEssentials
#else
    import Foundation
#endif

/// What the network of one sandbox refused: one JSON object a line in `network.log`, with the older half in
/// `network.log.1`. Its supervisor alone writes it.
public struct NetworkLog: Sendable {
    /// Most bytes of one of the two files.
    public static let limit: Int64 = 4 << 20

    /// The newer file.
    public let path: String

    /// The log of a sandbox.
    public init(_ directory: SandboxDirectory) { path = directory.path + "/network.log" }

    /// Adds events. What cannot be written (a full disk) is lost: no sandbox fails for it.
    public func append(_ events: [NetworkEvent]) {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        let lines = events.compactMap { try? encoder.encode($0) }.flatMap { Array($0) + [UInt8(ascii: "\n")] }
        guard let file = try? Descriptor(opening: path, O_WRONLY | O_CREAT | O_APPEND) else { return }
        try? file.write(lines)
        if let size = try? file.status().st_size, size > Self.limit { try? FileTree.rename(path, to: path + ".1") }
    }

    /// The events of the log, the oldest first; lines that are none are passed over.
    public func events() -> [NetworkEvent] {
        [path + ".1", path].flatMap { Self.parse((try? FileTree.read($0, limit: Int(Self.limit) * 2)) ?? []) }
    }

    static func parse(_ bytes: [UInt8]) -> [NetworkEvent] {
        let decoder = JSONDecoder()
        return bytes.split(separator: UInt8(ascii: "\n")).compactMap {
            try? decoder.decode(NetworkEvent.self, from: Data($0))
        }
    }
}
