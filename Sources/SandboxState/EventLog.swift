import Glibc
import LinuxSystem

#if canImport(FoundationEssentials)
    import FoundationEssentials
#else
    import Foundation
#endif

/// What happens to the sandboxes of a home: one JSON object a line in `events.log`, with the older half in `events.log.1`.
public struct EventLog: Sendable {
    /// Most bytes of one of the two files.
    public static let limit = 4 << 20

    /// One thing that happened.
    public struct Event: Codable, Equatable, Sendable {
        /// What can happen.
        public enum Kind: String, Codable, Sendable, CaseIterable {
            case create, start, stop, crash, remove, rename, exec, exit, restart, pause, resume, snapshot, restore,
                unmount
            /// Its network has refused something.
            case deny
        }

        /// Nanoseconds since 1970-01-01 00:00 UTC.
        public var time: UInt64
        /// What happened.
        public var event: Kind
        /// The sandbox's id.
        public var id: String
        /// The sandbox's name.
        public var name: String?
        /// What else there is to say.
        public var detail: String?

        /// Something that happens now.
        public init(_ event: Kind, _ id: SandboxID, name: String? = nil, detail: String? = nil) {
            time = HostClock.wall
            self.event = event
            self.id = id.description
            self.name = name
            self.detail = detail
        }
    }

    /// The newer file.
    public let path: String
    private let lock: String

    /// The log of a home.
    public init(_ home: Home) {
        path = home.path + "/events.log"
        lock = home.path + "/events.lock"
    }

    /// Adds an event. One that cannot be written (a full disk) is lost: no sandbox fails for its history.
    public func append(_ event: Event) {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        guard let line = try? Array(encoder.encode(event)) + [UInt8(ascii: "\n")],
            let lock = try? FileLock.wait(lock)
        else { return }
        defer { withExtendedLifetime(lock) {} }
        guard let file = try? Descriptor(opening: path, O_WRONLY | O_CREAT | O_APPEND) else { return }
        try? file.write(line)
        if let size = try? file.status().st_size, size > Self.limit { try? FileTree.rename(path, to: path + ".1") }
    }

    /// Reads the events of lines that are complete; others are passed over.
    public static func parse(_ bytes: some Sequence<UInt8>) -> [Event] {
        let decoder = JSONDecoder()
        return Array(bytes).split(separator: UInt8(ascii: "\n")).compactMap {
            try? decoder.decode(Event.self, from: Data($0))
        }
    }
}
