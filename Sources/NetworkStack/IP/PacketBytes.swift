import NetworkAddress

/// Bytes of a frame from the guest, or of a part of one.
///
/// Every read is checked: what lies beyond the end reads as zero. So a length that the guest made up can lead to a
/// wrong number and never to a trap or to foreign memory.
struct PacketBytes {
    private let base: UnsafeRawPointer?
    /// How many there are.
    let count: Int

    /// The bytes of a buffer, which must outlive this value.
    init(_ buffer: UnsafeRawBufferPointer) {
        base = buffer.baseAddress
        count = base == nil ? 0 : buffer.count
    }

    private init(base: UnsafeRawPointer?, count: Int) {
        self.base = base
        self.count = count
    }

    /// The bytes from `offset` on, at most `length`; fewer, or none, where there are not so many.
    func part(_ offset: Int, _ length: Int = .max) -> PacketBytes {
        guard let base, offset >= 0, offset < count, length > 0 else { return PacketBytes(base: nil, count: 0) }
        // Within the buffer: 0 ≤ offset < count.
        return PacketBytes(base: base + offset, count: min(length, count - offset))
    }

    /// As a buffer, valid as long as the one this was made of.
    var buffer: UnsafeRawBufferPointer { UnsafeRawBufferPointer(start: base, count: count) }

    func u8(_ offset: Int) -> UInt8 { load(offset, as: UInt8.self) }
    func u16(_ offset: Int) -> UInt16 { UInt16(bigEndian: load(offset, as: UInt16.self)) }
    func u32(_ offset: Int) -> UInt32 { UInt32(bigEndian: load(offset, as: UInt32.self)) }
    func u64(_ offset: Int) -> UInt64 { UInt64(bigEndian: load(offset, as: UInt64.self)) }

    /// The six bytes at `offset` as an Ethernet address.
    func mac(_ offset: Int) -> MACAddress { MACAddress(UInt64(u16(offset)) << 32 | UInt64(u32(offset &+ 2))) }

    @inline(__always)
    private func load<Number: FixedWidthInteger & BitwiseCopyable>(_ offset: Int, as type: Number.Type) -> Number {
        guard let base, offset >= 0, offset <= count - MemoryLayout<Number>.size else { return 0 }
        // The number lies wholly within the buffer, as was just checked; it need not be aligned.
        return base.loadUnaligned(fromByteOffset: offset, as: Number.self)
    }
}

/// The memory of a frame that is being laid down. Writes are checked: what would lie beyond the end is left out.
struct FrameBytes {
    private let base: UnsafeMutableRawPointer?
    /// How many bytes the frame has.
    let count: Int

    /// A frame in this memory, which must outlive this value.
    init(_ buffer: UnsafeMutableRawBufferPointer) {
        base = buffer.baseAddress
        count = base == nil ? 0 : buffer.count
    }

    func set(_ offset: Int, _ value: UInt8) { store(offset, value) }
    func set(_ offset: Int, _ value: UInt16) { store(offset, value.bigEndian) }
    func set(_ offset: Int, _ value: UInt32) { store(offset, value.bigEndian) }
    func set(_ offset: Int, _ value: UInt64) { store(offset, value.bigEndian) }
    func set(_ offset: Int, _ value: MACAddress) {
        set(offset, UInt16(truncatingIfNeeded: value.value >> 32))
        set(offset &+ 2, UInt32(truncatingIfNeeded: value.value))
    }
    func set(_ offset: Int, _ value: IPAddress) {
        switch value {
        case .v4(let address): set(offset, address.value)
        case .v6(let address):
            set(offset, address.high)
            set(offset &+ 8, address.low)
        }
    }

    /// Stores a checksum, which is already in the order of the network.
    func setChecksum(_ offset: Int, _ checksum: Checksum) { store(offset, checksum.field) }

    /// Copies bytes to `offset`, as many as there is room for.
    func copy(_ bytes: UnsafeRawBufferPointer, to offset: Int) {
        guard let base, let source = bytes.baseAddress, offset >= 0, offset < count else { return }
        // Within both buffers: at most `count - offset` and `bytes.count`.
        (base + offset).copyMemory(from: source, byteCount: min(bytes.count, count - offset))
    }

    /// Copies bytes to `offset` and gives their sum; nothing when there is no room for all of them.
    func copySumming(_ bytes: UnsafeRawBufferPointer, to offset: Int) -> UInt64 {
        guard let base, let source = bytes.baseAddress, offset >= 0, bytes.count <= count - offset else { return 0 }
        // Within both buffers, as was just checked.
        return Checksum.copy(source, to: base + offset, count: bytes.count)
    }

    /// The bytes from `offset` on, at most `length`, to be read.
    func part(_ offset: Int, _ length: Int = .max) -> PacketBytes {
        PacketBytes(UnsafeRawBufferPointer(start: base, count: count)).part(offset, length)
    }

    @inline(__always)
    private func store<Number: FixedWidthInteger & BitwiseCopyable>(_ offset: Int, _ value: Number) {
        guard let base, offset >= 0, offset <= count - MemoryLayout<Number>.size else { return }
        // The number lies wholly within the buffer, as was just checked; it need not be aligned.
        base.storeBytes(of: value, toByteOffset: offset, as: Number.self)
    }
}
