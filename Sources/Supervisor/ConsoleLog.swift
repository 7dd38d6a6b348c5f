import ForeignText
import Glibc
import LinuxSystem
import NIOCore

/// What the guest prints on its console and the engine on its stderr, kept within bounds.
///
/// Both are the guest's to fill: the log is two files of at most ``limit`` bytes, and the older one is dropped when the
/// newer one is full.
actor ConsoleLog {
    /// Most bytes of one of the two files.
    static let limit = 131_072

    private let path: String
    private var file: Descriptor
    private var written = 0

    /// Starts an empty log at `path`.
    init(path: String) throws(SystemError) {
        self.path = path
        file = try Descriptor(opening: path, O_WRONLY | O_CREAT | O_TRUNC | O_APPEND)
    }

    /// Adds bytes; what cannot be written (a full disk) is lost, never waited for.
    func append(_ bytes: ByteBuffer) {
        for part in [UInt8](bytes.readableBytesView).chunked(Self.limit) {
            if written + part.count > Self.limit {
                guard let fresh = try? Self.rotate(path) else { continue }
                file = fresh
                written = 0
            }
            try? file.write(part)
            written += part.count
        }
    }

    private static func rotate(_ path: String) throws(SystemError) -> Descriptor {
        // In this order, so that it can be tried again when the disk is full.
        let fresh = try Descriptor(opening: path + ".new", O_WRONLY | O_CREAT | O_TRUNC | O_APPEND)
        try FileTree.rename(path, to: path + ".1")
        try FileTree.rename(path + ".new", to: path)
        return fresh
    }

    /// Adds all that comes from `channel`, until it ends.
    func follow(_ channel: ByteChannel) async throws {
        try await channel.executeThenClose { inbound, _ in
            for try await bytes in inbound { append(bytes) }
        }
    }

    /// The last lines, printable, for an error message.
    func tail(lines: Int = 5) -> String {
        let bytes = (try? FileTree.read(path, limit: 2 * Self.limit)) ?? []
        let text = String(decoding: bytes.suffix(4096), as: UTF8.self).printable
        return text.split(separator: "\n").suffix(lines).joined(separator: "\n")
    }
}

extension Array {
    fileprivate func chunked(_ size: Int) -> [[Element]] {
        stride(from: 0, to: count, by: size).map { Array(self[$0..<Swift.min($0 + size, count)]) }
    }
}
