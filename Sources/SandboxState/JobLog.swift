import Glibc
import LinuxSystem

/// The output of a job in the background, kept within bounds: two files of at most ``limit`` bytes, of which the older is
/// dropped when the newer is full.
///
/// Each file begins with the number of its first record, 8 bytes; a record is the time in nanoseconds since 1970
/// (8 bytes), the channel (1 byte), three zeros, the length (4 bytes) and so many bytes. All numbers are little-endian.
public struct JobLog {
    /// Most bytes of one of the two files.
    public static let limit = 4 << 20
    /// Longest text of one record.
    static let longest = 65_536
    static let headerSize = 16

    /// What a record is about.
    public enum Channel: UInt8, Sendable {
        case output = 1
        case error = 2
        /// The job has ended; the text is its status as a decimal number.
        case end = 3
    }

    private let path: String
    private var file: Descriptor
    private var written = 0
    private var count: UInt64 = 0

    /// Starts an empty log at `path`.
    public init(path: String) throws(SystemError) {
        self.path = path
        try FileTree.removeFile(path + ".1")
        file = try Self.make(path, first: 0)
        try FileTree.rename(path + ".new", to: path)
    }

    /// Goes on with the log at `path`, whose last record is whole.
    public init(continuing path: String) throws(SystemError) {
        self.path = path
        file = try Descriptor(opening: path, O_WRONLY)
        let end = lseek(file.rawValue, 0, SEEK_END)
        guard end >= 8 else { throw SystemError("go on with", path, number: EINVAL) }
        written = Int(end) - 8
        var reader = JobLogReader(path: path)
        while try reader.record() != nil {}
        count = reader.next
    }

    /// Adds bytes of the job.
    /// - Throws: ``SystemError`` when the disk is full; what was given is lost then, the log stays whole.
    public mutating func append(_ channel: Channel, _ bytes: [UInt8], at time: UInt64 = HostClock.wall)
        throws(SystemError)
    {
        var rest = bytes[...]
        repeat {
            let part = rest.prefix(Self.longest)
            rest = rest.dropFirst(part.count)
            try appendRecord(channel, part, time)
        } while !rest.isEmpty
    }

    private mutating func appendRecord(
        _ channel: Channel, _ bytes: ArraySlice<UInt8>, _ time: UInt64
    ) throws(SystemError) {
        if written > 0, written + Self.headerSize + bytes.count > Self.limit {
            // In this order, so that it can be tried again when the disk is full.
            let fresh = try Self.make(path, first: count)
            try FileTree.rename(path, to: path + ".1")
            try FileTree.rename(path + ".new", to: path)
            file = fresh
            written = 0
        }
        var record: [UInt8] = []
        record.reserveCapacity(Self.headerSize + bytes.count)
        withUnsafeBytes(of: time.littleEndian) { record += $0 }
        record += [channel.rawValue, 0, 0, 0]
        withUnsafeBytes(of: UInt32(bytes.count).littleEndian) { record += $0 }
        record += bytes
        do { try file.write(record) } catch {
            // Half a record would make all later ones unreadable.
            ftruncate(file.rawValue, off_t(8 + written))
            lseek(file.rawValue, off_t(8 + written), SEEK_SET)
            throw error
        }
        written += record.count
        count += 1
    }

    private static func make(_ path: String, first: UInt64) throws(SystemError) -> Descriptor {
        // Readers may hold the file that had this name; it must not be shortened under them.
        let file = try Descriptor(opening: path + ".new", O_WRONLY | O_CREAT | O_TRUNC)
        try file.write(withUnsafeBytes(of: first.littleEndian) { Array($0) })
        return file
    }
}

/// Reads a ``JobLog`` from its oldest record on, while it is being written too.
public struct JobLogReader {
    /// One piece of output.
    public struct Record: Sendable, Equatable {
        /// Nanoseconds since 1970-01-01 00:00 UTC.
        public var time: UInt64
        /// Where it came from.
        public var channel: JobLog.Channel
        /// What was written.
        public var bytes: [UInt8]

        /// Makes a record.
        public init(time: UInt64, channel: JobLog.Channel, bytes: [UInt8]) {
            self.time = time
            self.channel = channel
            self.bytes = bytes
        }
    }

    private let path: String
    private var file: Descriptor?
    private var offset: Int64 = 0
    /// The number of the next record.
    fileprivate var next: UInt64 = 0
    private var inode: ino_t = 0

    /// How many records were dropped before this reader came to them.
    public private(set) var missed: UInt64 = 0

    /// A reader of the log at `path`, which may be missing yet.
    public init(path: String) { self.path = path }

    /// The next record; `nil` when there is none now.
    /// - Throws: ``SystemError`` when the log cannot be read or is damaged (`EBADMSG`).
    public mutating func record() throws(SystemError) -> Record? {
        while true {
            if file == nil, try !open() { return nil }
            if let record = try read() { return record }
            // At the end of this file: go on when there is a newer one, and this one got nothing more meanwhile.
            guard try isSuperseded() else { return nil }
            if let record = try read() { return record }
            // It stays open until then, so that its inode's number is not given to the newer one.
            guard try open() else { return nil }
        }
    }

    private mutating func open() throws(SystemError) -> Bool {
        for name in [path + ".1", path] {
            guard let candidate = try? Descriptor(opening: name) else { continue }
            var first: UInt64 = 0
            let count = try Self.bytes(candidate, 8, at: 0)
            guard let count else { continue }
            first = count.withUnsafeBytes { UInt64(littleEndian: $0.loadUnaligned(as: UInt64.self)) }
            let status = try candidate.status()
            if status.st_ino == inode { continue }
            // The older file was read to its end already.
            if name != path, first < next { continue }
            if first > next { missed += first - next }
            guard first >= next else { throw SystemError("read", path, number: EBADMSG) }
            (next, offset, inode, file) = (first, 8, status.st_ino, candidate)
            return true
        }
        return false
    }

    private func isSuperseded() throws(SystemError) -> Bool {
        var status = stat()
        guard stat(path, &status) == 0 else { return false }
        return status.st_ino != inode
    }

    private mutating func read() throws(SystemError) -> Record? {
        guard let file, let header = try Self.bytes(file, JobLog.headerSize, at: offset) else { return nil }
        let (time, length) = header.withUnsafeBytes {
            (
                UInt64(littleEndian: $0.loadUnaligned(as: UInt64.self)),
                UInt32(littleEndian: $0.loadUnaligned(fromByteOffset: 12, as: UInt32.self))
            )
        }
        // No log has that many records, and numbers that started again at 0 would be taken for older ones.
        guard length <= JobLog.longest, let channel = JobLog.Channel(rawValue: header[8]), next < .max else {
            throw SystemError("read", path, number: EBADMSG)
        }
        guard let text = try Self.bytes(file, Int(length), at: offset + Int64(JobLog.headerSize)) else { return nil }
        offset += Int64(JobLog.headerSize) + Int64(length)
        next += 1
        return Record(time: time, channel: channel, bytes: text)
    }

    /// Exactly `count` bytes; `nil` when the file has fewer yet.
    private static func bytes(_ file: Descriptor, _ count: Int, at offset: Int64) throws(SystemError) -> [UInt8]? {
        var bytes = [UInt8](repeating: 0, count: count)
        var got = 0
        while got < count {
            let result = bytes.withUnsafeMutableBytes { buffer in
                Result { () throws(SystemError) in
                    try file.read(
                        into: UnsafeMutableRawBufferPointer(rebasing: buffer[got...]), at: offset + Int64(got))
                }
            }
            let part = try result.get()
            if part == 0 { return nil }
            got += part
        }
        return bytes
    }
}
