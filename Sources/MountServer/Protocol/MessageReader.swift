import Glibc

/// A name in a request: one component of a path, or a link's target.
///
/// Points into the request's bytes, where it ends with NUL, and is valid as long as these are.
struct RequestName {
    let pointer: UnsafePointer<CChar>
    let count: Int

    /// The bytes without the NUL.
    var bytes: UnsafeRawBufferPointer { UnsafeRawBufferPointer(start: pointer, count: count) }
}

/// Takes numbers and names from the front of a message, never beyond its end.
struct MessageReader {
    private(set) var rest: UnsafeRawBufferPointer

    init(_ bytes: UnsafeRawBufferPointer) { rest = bytes }

    /// The next number, in the byte order of guest and host.
    /// - Throws: `EINVAL` at the end of the message.
    mutating func number<Number: FixedWidthInteger>(_: Number.Type = Number.self) throws(ErrorNumber) -> Number {
        let size = MemoryLayout<Number>.size
        guard rest.count >= size else { throw ErrorNumber(EINVAL) }
        let value = rest.loadUnaligned(as: Number.self)
        rest = UnsafeRawBufferPointer(rebasing: rest.dropFirst(size))
        return value
    }

    /// Passes over bytes that mean nothing here.
    mutating func skip(_ count: Int) throws(ErrorNumber) { _ = try bytes(count) }

    /// The next bytes.
    mutating func bytes(_ count: Int) throws(ErrorNumber) -> UnsafeRawBufferPointer {
        guard count >= 0, rest.count >= count else { throw ErrorNumber(EINVAL) }
        let taken = UnsafeRawBufferPointer(rebasing: rest.prefix(count))
        rest = UnsafeRawBufferPointer(rebasing: rest.dropFirst(count))
        return taken
    }

    /// Text up to its NUL.
    mutating func text() throws(ErrorNumber) -> RequestName {
        guard let base = rest.baseAddress, let end = memchr(base, 0, rest.count) else { throw ErrorNumber(EINVAL) }
        let count = UnsafeRawPointer(end) - base
        rest = UnsafeRawBufferPointer(rebasing: rest.dropFirst(count + 1))
        return RequestName(pointer: base.assumingMemoryBound(to: CChar.self), count: count)
    }

    /// The name of a file in a directory.
    /// - Throws: `EINVAL` for what could lead anywhere else, `ENAMETOOLONG`.
    mutating func name() throws(ErrorNumber) -> RequestName {
        let name = try text()
        guard name.count <= Int(NAME_MAX) else { throw ErrorNumber(ENAMETOOLONG) }
        guard FileName.isPlain(name.bytes) else { throw ErrorNumber(EINVAL) }
        return name
    }
}

/// What names of files may be.
enum FileName {
    /// Whether this is the name of something in a directory, and not of the directory, of the one above, or a path.
    static func isPlain(_ bytes: some Collection<UInt8>) -> Bool {
        let dot = UInt8(ascii: ".")
        guard let first = bytes.first, bytes.count <= Int(NAME_MAX) else { return false }
        if first == dot && (bytes.count == 1 || bytes.count == 2 && bytes.dropFirst().first == dot) { return false }
        return !bytes.contains { $0 == UInt8(ascii: "/") || $0 == 0 }
    }
}
