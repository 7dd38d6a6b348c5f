import AgentProtocol
import Glibc

/// The bytes on their way to the host: whole frames, in order.
///
/// Output of processes is read straight into the queue and only while there is room, so that the queue is bounded
/// whatever the processes write. Answers to the host always fit: they are small, and the port stops reading requests
/// while the queue is long.
struct OutgoingQueue {
    /// Output of processes is added only while fewer bytes than this are queued.
    static let room = 131_072
    private static let usualCapacity = room + FrameHeader.size + FrameHeader.maximumData

    private var bytes = [UInt8](repeating: 0, count: usualCapacity)
    private var start = 0
    private var end = 0

    /// Bytes not yet written.
    var count: Int { end - start }

    /// Adds a frame.
    mutating func append(_ frame: Frame) {
        let encoded = frame.encoded
        makeSpace(for: encoded.count)
        bytes.replaceSubrange(end..<end + encoded.count, with: encoded)
        end += encoded.count
    }

    /// Reads up to `limit` bytes from a descriptor into a data frame at the end of the queue.
    /// - Returns: what read(2) returned; only a positive count leaves a frame.
    mutating func appendData(of stream: UInt32, _ channel: Channel, from descriptor: Int32, limit: Int) -> Int {
        let limit = min(limit, FrameHeader.maximumData)
        makeSpace(for: FrameHeader.size + limit)
        let payload = end + FrameHeader.size
        let count = bytes.withUnsafeMutableBytes { buffer in
            read(
                descriptor, UnsafeMutableRawBufferPointer(rebasing: buffer[payload..<payload + limit]).baseAddress,
                limit)
        }
        guard count > 0 else { return count }
        var header: [UInt8] = []
        FrameHeader(kind: .data, channel: channel, stream: stream, length: count).encode(into: &header)
        bytes.replaceSubrange(end..<payload, with: header)
        end = payload + count
        return count
    }

    /// Adds a data frame with these bytes, at most ``FrameHeader/maximumData``.
    mutating func appendData(of stream: UInt32, _ channel: Channel, _ payload: UnsafeRawBufferPointer) {
        makeSpace(for: FrameHeader.size + payload.count)
        var header: [UInt8] = []
        FrameHeader(kind: .data, channel: channel, stream: stream, length: payload.count).encode(into: &header)
        bytes.withUnsafeMutableBytes { buffer in
            let space = UnsafeMutableRawBufferPointer(rebasing: buffer[end..<end + header.count + payload.count])
            space.copyBytes(from: header)
            UnsafeMutableRawBufferPointer(rebasing: space[header.count...]).copyMemory(from: payload)
        }
        end += header.count + payload.count
    }

    /// Writes as much as the descriptor takes of at most `limit` bytes.
    /// - Returns: what write(2) returned.
    mutating func write(to descriptor: Int32, limit: Int) -> Int {
        let length = min(count, limit)
        let written = bytes.withUnsafeBytes { buffer in
            Glibc.write(
                descriptor, UnsafeRawBufferPointer(rebasing: buffer[start..<start + length]).baseAddress, length)
        }
        if written > 0 { start += written }
        if start == end {
            start = 0
            end = 0
            // Many answers at once may have made it longer.
            if bytes.count > OutgoingQueue.usualCapacity {
                bytes = [UInt8](repeating: 0, count: OutgoingQueue.usualCapacity)
            }
        }
        return written
    }

    private mutating func makeSpace(for count: Int) {
        guard bytes.count - end < count else { return }
        bytes.removeFirst(start)
        end -= start
        start = 0
        bytes.append(contentsOf: repeatElement(0, count: max(OutgoingQueue.usualCapacity, end + count) - bytes.count))
    }
}
