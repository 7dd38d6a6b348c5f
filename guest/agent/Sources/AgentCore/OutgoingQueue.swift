import AgentProtocol
import Glibc

/// The bytes on their way to the host: whole frames, in order.
///
/// Output of processes is read straight into the queue and only while there is room, so that the queue is bounded
/// whatever the processes write. Answers to the host always fit: they are small, and the port stops reading requests
/// while the queue is long.
struct OutgoingQueue {
    /// Output of processes is added only while fewer bytes than this are queued.
    static let room = 262_144

    private var bytes: [UInt8] = []
    private var sent = 0
    private var chunk = [UInt8](repeating: 0, count: FrameHeader.maximumData)

    init() { bytes.reserveCapacity(OutgoingQueue.room + FrameHeader.size + FrameHeader.maximumData) }

    /// Bytes not yet written.
    var count: Int { bytes.count - sent }

    /// Adds a frame.
    mutating func append(_ frame: Frame) {
        compact()
        FrameHeader(kind: frame.kind, channel: frame.channel, stream: frame.stream, length: frame.payload.count)
            .encode(into: &bytes)
        bytes.append(contentsOf: frame.payload)
    }

    /// Reads up to `limit` bytes from a descriptor into a data frame at the end of the queue.
    /// - Returns: what read(2) returned; only a positive count leaves a frame.
    mutating func appendData(
        of stream: UInt32, _ channel: Channel, from descriptor: Int32, limit: Int
    ) -> Int {
        let limit = min(limit, chunk.count)
        let count = chunk.withUnsafeMutableBytes { read(descriptor, $0.baseAddress, limit) }
        guard count > 0 else { return count }
        compact()
        FrameHeader(kind: .data, channel: channel, stream: stream, length: count).encode(into: &bytes)
        bytes.append(contentsOf: chunk[..<count])
        return count
    }

    /// Writes as much as the descriptor takes of at most `limit` bytes.
    /// - Returns: what write(2) returned.
    mutating func write(to descriptor: Int32, limit: Int) -> Int {
        let length = min(count, limit)
        let written = bytes.withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress.map { $0 + sent }, length) }
        if written > 0 {
            sent += written
            if sent == bytes.count {
                bytes.removeAll(keepingCapacity: true)
                sent = 0
            }
        }
        return written
    }

    /// Moves what is left to the front, when that is cheap: at most as many bytes as were written since the last time.
    private mutating func compact() {
        guard sent > 0, sent >= count else { return }
        bytes.removeFirst(sent)
        sent = 0
    }
}
