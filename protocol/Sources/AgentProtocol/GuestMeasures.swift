/// What a guest uses at one moment, as its kernel counts it.
public struct GuestMeasures: Equatable, Sendable {
    /// Processor time of all the sandbox's processes, in microseconds.
    public var processorMicroseconds: UInt64 = 0
    /// Memory in use, in bytes: all that could not be had by a process that asked for it.
    public var memory: UInt64 = 0
    /// Memory the guest has, in bytes.
    public var memoryTotal: UInt64 = 0
    /// Bytes in use on the writable disk's file system.
    public var disk: UInt64 = 0
    /// Bytes that file system can hold.
    public var diskTotal: UInt64 = 0
    /// Processes and threads of the sandbox.
    public var processes: UInt64 = 0

    /// Makes measures of zero.
    public init() {}

    init(_ reader: inout ByteReader) throws(ProtocolError) {
        processorMicroseconds = try reader.unsigned64()
        memory = try reader.unsigned64()
        memoryTotal = try reader.unsigned64()
        disk = try reader.unsigned64()
        diskTotal = try reader.unsigned64()
        processes = try reader.unsigned64()
    }

    func encode(into writer: inout ByteWriter) {
        for value in [processorMicroseconds, memory, memoryTotal, disk, diskTotal, processes] {
            writer.unsigned64(value)
        }
    }
}
