import AgentProtocol
import CAgent
import Glibc

/// The byte stream to the host: cuts what arrives into frames, queues what leaves.
///
/// On a virtio port whose host side is not there yet, epoll says "hung up" and writes say EAGAIN; what is queued is
/// written when the host connects. Once the host has been there, "hung up" means that it is gone for good.
final class HostPort {
    /// No request is read while more than this many bytes of answers wait for the host.
    private static let mostAnswers = 1_048_576
    /// The largest write: the driver takes no more at once.
    private static let largestWrite = 32_768

    private let descriptor: Descriptor
    private let loop: EventLoop
    private var decoder = FrameDecoder()
    private var queue = OutgoingQueue()
    private var buffer = [UInt8](repeating: 0, count: 16_384)
    private var isReadable = false
    private var isWritable = true
    private var writeLimit = HostPort.largestWrite
    /// Pages on their way from a process's pipe to the port, which do not pass through this process. They lie in a pipe of
    /// their own, as the port's driver needs to be given all that is in a pipe at once.
    private let transit: (reading: Descriptor, writing: Descriptor)
    /// How many bytes there are in it, frames with their headers.
    private var moving = 0
    /// The end of a frame of which the rest is in ``transit``.
    private var tail: ArraySlice<UInt8> = []
    private var wasConnected = false
    private var isClosed = false
    /// Messages that wait for the end of a silence; `nil` when there is none.
    private var unsaid: [GuestMessage]?

    /// Whether the host was there and is gone.
    private(set) var isLost = false

    /// Speaks over an open, non-blocking port.
    init(_ descriptor: Descriptor, loop: EventLoop) throws(AgentError) {
        self.descriptor = descriptor
        self.loop = loop
        transit = try Descriptor.pipe()
        // Room for a frame: a page for its header, and one more for data that begins in the midst of a page.
        try AgentError.check("make room in a pipe") { transit.writing.setPipeSize(2 * FrameHeader.maximumData) }
        try loop.watch(descriptor, for: [.input, .output]) { [unowned self] in became($0) }
    }

    private func became(_ readiness: Readiness) {
        if readiness.contains(.hangUp) {
            // What the host sent before it went is still read.
            isReadable = true
            if wasConnected { isLost = true }
            return
        }
        wasConnected = true
        if readiness.contains(.input) { isReadable = true }
        if readiness.contains(.output) { isWritable = true }
        if readiness.contains(.error) { isLost = true }
    }

    /// Whether output of processes may be added now.
    var hasRoom: Bool { isWritable && isMoved && !isSilent && queue.count < OutgoingQueue.room }

    /// Whether everything was handed to the driver.
    var isFlushed: Bool { queue.count == 0 && isMoved }

    private var isMoved: Bool { moving == 0 && tail.isEmpty }

    /// Whether nothing is said until ``speak(_:)``.
    var isSilent: Bool { unsaid != nil }

    /// Says a last message, behind all that is on its way, and falls silent.
    func fallSilent(_ message: GuestMessage) {
        send(message)
        unsaid = []
    }

    /// Ends a silence: says a message, and then what was to be said meanwhile.
    func speak(_ message: GuestMessage) {
        let waiting = unsaid ?? []
        unsaid = nil
        for message in [message] + waiting { send(message) }
    }

    /// Queues a message.
    func send(_ message: GuestMessage) {
        if isSilent { return unsaid?.append(message) ?? () }
        // A message of the agent is far smaller than a frame may be; a reason that is not would be the agent's own bug.
        guard let frame = try? message.frame() else { return logLine("a message to the host was too long and is lost") }
        queue.append(frame)
    }

    /// Reads output of a process into the queue.
    /// - Returns: what read(2) returned.
    func sendData(of stream: UInt32, _ channel: Channel, from source: Descriptor, limit: Int) -> Int {
        queue.appendData(of: stream, channel, from: source.number, limit: limit)
    }

    /// Queues bytes for the host, at most ``FrameHeader/maximumData``.
    func sendData(of stream: UInt32, _ channel: Channel, _ bytes: UnsafeRawBufferPointer) {
        queue.appendData(of: stream, channel, bytes)
    }

    /// Whether output of processes can be moved now.
    var canMove: Bool { isFlushed && isWritable && !isLost && !isSilent }

    /// Sends output of a process by moving the pages of its pipe, which costs two copies less than to read and write them.
    /// Only when ``canMove`` holds.
    /// - Parameter count: how many bytes there are in the pipe, at least.
    /// - Returns: how many bytes were sent or are under way: `count`, or less when that is too much for a frame.
    func moveData(of stream: UInt32, _ channel: Channel, from source: Descriptor, count: Int) -> Int {
        let count = min(count, FrameHeader.maximumData)
        var header: [UInt8] = []
        FrameHeader(kind: .data, channel: channel, stream: stream, length: count).encode(into: &header)
        moving = max(header.withUnsafeBytes { write(transit.writing.number, $0.baseAddress, $0.count) }, 0)
        var rest = count
        while rest > 0 {
            let moved = agent_move(source.number, transit.writing.number, rest)
            guard moved > 0 else { break }
            rest -= moved
            moving += moved
        }
        if rest > 0 {
            // Too many small pieces for one pipe; or a process that reads its own output has taken what was announced.
            var bytes = [UInt8](repeating: 0, count: rest)
            _ = bytes.withUnsafeMutableBytes { read(source.number, $0.baseAddress, $0.count) }
            tail = bytes[...]
        }
        flush()
        return count
    }

    /// Moves what is under way, then writes what is queued, until there is nothing or the port takes no more.
    func flush() {
        while moving > 0 && isWritable && !isLost {
            let moved = agent_move(transit.reading.number, descriptor.number, moving)
            if moved > 0 { moving -= moved } else { note(moved == 0 ? EIO : errno) }
        }
        while moving == 0 && !tail.isEmpty && isWritable && !isLost {
            let written = tail.withUnsafeBytes { write(descriptor.number, $0.baseAddress, min($0.count, writeLimit)) }
            if written > 0 { tail = tail.dropFirst(written) } else { note(errno) }
        }
        while isMoved && queue.count > 0 && isWritable && !isLost {
            let written = queue.write(to: descriptor.number, limit: writeLimit)
            if written > 0 { writeLimit = HostPort.largestWrite } else { note(errno) }
        }
    }

    /// Notes why the port took nothing.
    private func note(_ error: Int32) {
        switch error {
        case EINTR: break
        case ENOMEM where moving == 0 && writeLimit > 4096:
            // The driver copies each write into one piece of memory; a smaller one is there when a large one is not.
            writeLimit = 4096
        case ENOMEM: wait()
        case EAGAIN: isWritable = false
        default: isLost = true
        }
    }

    /// Tries again when the kernel may have memory.
    private func wait() {
        isWritable = false
        loop.after(milliseconds: 10) { [unowned self] in isWritable = true }
    }

    /// Neither reads nor writes any more; the host has shown that it cannot be understood.
    func close() {
        isLost = true
        isClosed = true
    }

    /// Whether ``receive(_:)`` could do something now.
    var hasInput: Bool { isReadable && !isClosed && queue.count < HostPort.mostAnswers }

    /// Reads once and handles each frame that is complete.
    /// - Throws: what `handle` throws, and ``AgentError/hostMisbehaved(_:)`` when the bytes are not frames.
    func receive(_ handle: (HostMessage) throws(AgentError) -> Void) throws(AgentError) {
        let count = buffer.withUnsafeMutableBytes { read(descriptor.number, $0.baseAddress, $0.count) }
        guard count > 0 else {
            if count < 0 && errno == EINTR { return }
            isReadable = false
            if (count == 0 && wasConnected) || (count < 0 && errno != EAGAIN) { isLost = true }
            return
        }
        wasConnected = true
        buffer.withUnsafeBytes { decoder.append(UnsafeRawBufferPointer(rebasing: $0.prefix(count))) }
        while true {
            let message: HostMessage
            do throws(ProtocolError) {
                guard let frame = try decoder.next() else { return }
                message = try HostMessage(frame)
            } catch {
                throw .hostMisbehaved("\(error)")
            }
            try handle(message)
        }
    }
}
