import LinuxSystem

/// Bytes read once, from front to back, through a buffer.
public final class ByteInput {
    /// Gives the bytes at an offset, at least one and at most as many as the buffer holds; 0 at the end only. Offsets
    /// come without gaps.
    public typealias Reader = (UnsafeMutableRawBufferPointer, Int64) throws(CompressionError) -> Int

    /// What is read, for messages.
    public let name: String
    /// How many bytes have been read.
    public private(set) var count: Int64 = 0

    private let read: Reader
    // Owned by this object from init to deinit; `unread` always lies within it.
    private let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 256 << 10, alignment: 64)
    private var unread = 0..<0

    /// An input whose bytes `read` gives.
    public init(name: String, read: @escaping Reader) {
        self.name = name
        self.read = read
    }

    /// Reads an open file or pipe from where it stands to its end.
    public convenience init(_ file: Descriptor, name: String) {
        self.init(name: name) { buffer, _ throws(CompressionError) in
            do throws(SystemError) { return try file.read(into: buffer) } catch { throw .system(error) }
        }
    }

    deinit { buffer.deallocate() }

    /// Bytes that come next, valid until the next call; empty at the end only.
    public func available() throws(CompressionError) -> UnsafeRawBufferPointer {
        if unread.isEmpty { _ = try fill() }
        return UnsafeRawBufferPointer(rebasing: buffer[unread])
    }

    /// Steps over bytes that ``available()`` gave.
    public func consume(_ count: Int) {
        unread = min(unread.lowerBound + count, unread.upperBound)..<unread.upperBound
    }

    /// The next `count` bytes, at most 1024, without stepping over them, fewer only at the end. For the start of a
    /// stream.
    public func peek(_ count: Int) throws(CompressionError) -> [UInt8] {
        while unread.count < count, try fill() {}
        return Array(buffer[unread].prefix(count))
    }

    /// Reads more behind what is unread; `false` at the end.
    private func fill() throws(CompressionError) -> Bool {
        if unread.isEmpty { unread = 0..<0 }
        let space = UnsafeMutableRawBufferPointer(rebasing: buffer[unread.upperBound...])
        if space.isEmpty { return false }
        let read = try read(space, count)
        if read == 0 { return false }
        unread = unread.lowerBound..<(unread.upperBound + read)
        count += Int64(read)
        return true
    }
}
