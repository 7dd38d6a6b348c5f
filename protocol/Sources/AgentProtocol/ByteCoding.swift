/// Reads the fields of a message, little-endian, each read bounded by what is there.
public struct ByteReader: Sendable {
    private let bytes: [UInt8]
    private var position = 0

    /// Reads from a copy of `bytes`.
    public init(_ bytes: some Collection<UInt8>) { self.bytes = Array(bytes) }

    /// Bytes not yet read.
    public var remaining: Int { bytes.count - position }

    private mutating func take(_ count: Int) throws(ProtocolError) -> ArraySlice<UInt8> {
        guard count >= 0, count <= remaining else { throw .truncated }
        defer { position += count }
        return bytes[position..<position + count]
    }

    private mutating func integer<Value: FixedWidthInteger & UnsignedInteger>(
        _ type: Value.Type
    ) throws(ProtocolError) -> Value {
        var value: Value = 0
        for byte in try take(Value.bitWidth / 8).reversed() { value = value << 8 | Value(byte) }
        return value
    }

    /// Reads one byte.
    public mutating func unsigned8() throws(ProtocolError) -> UInt8 {
        guard position < bytes.count else { throw .truncated }
        defer { position += 1 }
        return bytes[position]
    }
    /// Reads two bytes.
    public mutating func unsigned16() throws(ProtocolError) -> UInt16 { try integer(UInt16.self) }
    /// Reads four bytes.
    public mutating func unsigned32() throws(ProtocolError) -> UInt32 { try integer(UInt32.self) }
    /// Reads eight bytes.
    public mutating func unsigned64() throws(ProtocolError) -> UInt64 { try integer(UInt64.self) }
    /// Reads one byte that must be 0 or 1.
    public mutating func boolean() throws(ProtocolError) -> Bool {
        switch try unsigned8() {
        case 0: return false
        case 1: return true
        default: throw .badField("boolean")
        }
    }
    /// Reads a byte string with a `u32` length before it.
    public mutating func data() throws(ProtocolError) -> [UInt8] {
        let length = try unsigned32()
        return Array(try take(Int(length)))
    }
    /// Reads a string with a `u32` length before it: valid UTF-8 without NUL, so that it can become a C string.
    public mutating func string() throws(ProtocolError) -> String {
        let bytes = try data()
        guard !bytes.contains(0), let text = String(validating: bytes, as: UTF8.self) else { throw .badField("string") }
        return text
    }
    /// Reads a `u32` count and as many elements; the count is not trusted with an allocation.
    public mutating func list<Element>(
        _ element: (inout ByteReader) throws(ProtocolError) -> Element
    ) throws(ProtocolError) -> [Element] {
        let count = try unsigned32()
        var elements: [Element] = []
        for _ in 0..<count { elements.append(try element(&self)) }
        return elements
    }
    /// Ends the message.
    /// - Throws: ``ProtocolError/trailingBytes`` when something is left.
    public func finish() throws(ProtocolError) {
        guard remaining == 0 else { throw .trailingBytes }
    }
}

/// Writes the fields of a message, little-endian.
public struct ByteWriter: Sendable {
    /// What was written.
    public private(set) var bytes: [UInt8]

    /// Writes after `bytes`.
    public init(appendingTo bytes: [UInt8] = []) { self.bytes = bytes }

    private mutating func integer<Value: FixedWidthInteger & UnsignedInteger>(_ value: Value) {
        for shift in stride(from: 0, to: Value.bitWidth, by: 8) {
            bytes.append(UInt8(truncatingIfNeeded: value >> Value(shift)))
        }
    }

    /// Writes one byte.
    public mutating func unsigned8(_ value: UInt8) { bytes.append(value) }
    /// Writes two bytes.
    public mutating func unsigned16(_ value: UInt16) { integer(value) }
    /// Writes four bytes.
    public mutating func unsigned32(_ value: UInt32) { integer(value) }
    /// Writes eight bytes.
    public mutating func unsigned64(_ value: UInt64) { integer(value) }
    /// Writes 0 or 1.
    public mutating func boolean(_ value: Bool) { unsigned8(value ? 1 : 0) }
    /// Writes a byte string with its length before it.
    public mutating func data(_ value: some Collection<UInt8>) {
        unsigned32(UInt32(clamping: value.count))
        bytes.append(contentsOf: value)
    }
    /// Writes a string with its length in bytes before it.
    public mutating func string(_ value: String) { data(Array(value.utf8)) }
    /// Writes a count and the elements.
    public mutating func list<Element>(_ elements: [Element], _ write: (inout ByteWriter, Element) -> Void) {
        unsigned32(UInt32(clamping: elements.count))
        for element in elements { write(&self, element) }
    }
}
