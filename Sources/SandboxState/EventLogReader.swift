import Glibc
import LinuxSystem

/// Reads an ``EventLog`` from its oldest event on, while it is being written too.
public struct EventLogReader {
    /// Longest line that can be an event; what is longer is passed over.
    private static let longestLine = 65_536

    private let path: String
    private var file: Descriptor?
    private var inode: ino_t = 0
    private var offset: Int64 = 0
    private var line: [UInt8] = []

    /// A reader of the log of a home, which may have none yet.
    public init(_ home: Home) { path = EventLog(home).path }

    /// The events that were added since the last call, in order. Lines that are no events are passed over.
    /// - Throws: ``SystemError`` when the log cannot be read.
    public mutating func events() throws(SystemError) -> [EventLog.Event] {
        var events: [EventLog.Event] = []
        if file == nil, !open() { return [] }
        while true {
            events += try readFile()
            // At the end of this file: go on when there is a newer one, and this one got nothing more meanwhile.
            var status = stat()
            guard stat(path, &status) == 0, status.st_ino != inode else { return events }
            events += try readFile()
            guard open() else { return events }
        }
    }

    /// Goes on to the oldest file that was not read yet. The one that was stays open until then, so that its inode's
    /// number is not given to another.
    private mutating func open() -> Bool {
        for name in [path + ".1", path] {
            guard let candidate = try? Descriptor(opening: name), let status = try? candidate.status(),
                status.st_ino != inode
            else { continue }
            (file, inode, offset, line) = (candidate, status.st_ino, 0, [])
            return true
        }
        return false
    }

    private mutating func readFile() throws(SystemError) -> [EventLog.Event] {
        guard let file else { return [] }
        var events: [EventLog.Event] = []
        var buffer = [UInt8](repeating: 0, count: 65_536)
        while true {
            let from = offset
            let result = buffer.withUnsafeMutableBytes { bytes in
                Result { () throws(SystemError) in try file.read(into: bytes, at: from) }
            }
            let count = try result.get()
            guard count > 0 else { return events }
            offset += Int64(count)
            line += buffer[..<count]
            guard let end = line.lastIndex(of: UInt8(ascii: "\n")) else {
                if line.count > Self.longestLine { line = [] }
                continue
            }
            events += EventLog.parse(line[...end])
            line.removeSubrange(...end)
        }
    }
}
