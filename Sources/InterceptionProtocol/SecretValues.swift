import Glibc
import LinuxSystem

/// The values of secrets on their way to an interceptor: in a file that exists in memory only, written by whoever starts a
/// sandbox and handed on unread, each value after its length in four bytes, big-endian, in the order of the secrets.
public struct SecretValues: Sendable {
    /// Most bytes of a value; the least is one.
    public static let longest = 16_384
    fileprivate static let prefix = 4

    /// The file.
    public let file: Descriptor

    /// An empty file.
    public init() throws(SystemError) { file = try Descriptor.memory("secrets") }

    /// Adds a value, of which no copy is made on the way.
    /// - Throws: `SystemError`; `EINVAL` for a value of another length.
    public func append(_ value: UnsafeRawBufferPointer) throws(SystemError) {
        guard (1...Self.longest).contains(value.count) else { throw SystemError("take a secret", number: EINVAL) }
        let length = UInt32(value.count)
        try file.write((0..<Self.prefix).map { UInt8(truncatingIfNeeded: length >> UInt32(24 - 8 * $0)) })
        var rest = value
        while !rest.isEmpty {
            let count = write(file.rawValue, rest.baseAddress, rest.count)
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { throw SystemError("keep a secret") }
            rest = UnsafeRawBufferPointer(rebasing: rest[count...])
        }
    }
}

/// The values of secrets where they have come to.
public struct ReceivedSecrets: ~Copyable, Sendable {
    private let bytes: LockedBytes
    /// Where each value is.
    private let ranges: [Range<Int>]

    /// No values at all.
    public init() throws(SystemError) {
        bytes = try LockedBytes(count: 0) { _ in }
        ranges = []
    }

    /// Takes the values out of a file, which holds zeros afterwards and then nothing.
    /// - Parameters:
    ///   - file: what ``SecretValues`` has made; it may come from elsewhere.
    ///   - count: how many values there have to be.
    /// - Throws: ``InterceptionError/unreadable(_:)`` when it is no such file; `SystemError`.
    public init(takenFrom file: Descriptor, count: Int) throws {
        let size = try file.status().st_size
        guard size >= 0, size <= off_t(count * (SecretValues.longest + SecretValues.prefix)) else {
            throw InterceptionError.unreadable("file of values")
        }
        var isRead = false
        let bytes = try LockedBytes(count: Int(size)) { memory in
            isRead = pread(file.rawValue, memory.baseAddress, memory.count, 0) == memory.count
            let zeros = [UInt8](repeating: 0, count: memory.count)
            _ = pwrite(file.rawValue, zeros, zeros.count, 0)
            _ = ftruncate(file.rawValue, 0)
        }
        guard isRead else { throw InterceptionError.unreadable("file of values") }
        ranges = try bytes.withBytes { (bytes) throws(InterceptionError) in try Self.ranges(in: bytes, count: count) }
        self.bytes = bytes
    }

    private static func ranges(in bytes: UnsafeRawBufferPointer, count: Int) throws(InterceptionError) -> [Range<Int>] {
        var ranges: [Range<Int>] = []
        var position = 0
        while position < bytes.count {
            guard bytes.count - position > SecretValues.prefix else { throw .unreadable("file of values") }
            let length = bytes[position..<position + SecretValues.prefix].reduce(0) { $0 << 8 | Int($1) }
            position += SecretValues.prefix
            guard (1...SecretValues.longest).contains(length), length <= bytes.count - position else {
                throw .unreadable("file of values")
            }
            ranges.append(position..<position + length)
            position += length
        }
        guard ranges.count == count else { throw .unreadable("file of values") }
        return ranges
    }

    /// How many bytes a value has.
    public func length(_ index: Int) -> Int { ranges[index].count }

    /// Lends a value. What is copied out of here is the borrower's to overwrite.
    public borrowing func withValue<Result, Failure: Error>(
        _ index: Int, _ body: (UnsafeRawBufferPointer) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        let range = ranges[index]
        return try bytes.withBytes { (bytes) throws(Failure) in
            try body(UnsafeRawBufferPointer(rebasing: bytes[range]))
        }
    }
}
