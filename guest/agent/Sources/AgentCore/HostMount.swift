import AgentProtocol
import CAgent
import Glibc

/// A mounted file system that the host serves: carries whole messages of the kernel's FUSE device, see fuse(4).
///
/// One read of the device is one request, one write to it must be one answer. Neither waits: the device does not block,
/// and an answer is copied to whoever waits for it. The kernel's own limits bound what is asked for at one time.
final class HostMount: Output {
    let stream: UInt32
    /// Where it is mounted.
    let target: String
    /// The connection to the kernel; its end is the end of the file system.
    private(set) var device: Descriptor?
    /// Whether the host's answers make no sense.
    private(set) var isBroken = false

    private var credit = UInt64(FlowWindow.initial)
    private var isReadable = false
    private let request: RequestMemory
    /// What of the last request is still to be sent.
    private var waiting = 0..<0
    /// The beginning of an answer of which the rest is still to come.
    private var answer: [UInt8] = []
    private var taken: UInt32 = 0
    /// What says how much the kernel reads ahead, until it has been told.
    private var readAhead: String?

    /// Credit is given back in pieces of so many bytes: the host never needs all that it has.
    private static let creditStep: UInt32 = 131_072
    /// Bytes of an answer's head (`struct fuse_out_header`), of which the first four are its length.
    private static let answerHead = 16
    /// The longest answer: a read of as many pages as the kernel asks for at once, and its head.
    private static let longestAnswer = 1 << 20 + 4096

    /// - Parameter number: the number of the file system, as in /sys/class/bdi, when it is known.
    init(stream: UInt32, target: String, number: String = "", _ device: Descriptor) {
        self.stream = stream
        self.target = target
        readAhead = number.isEmpty ? nil : "/sys/class/bdi/\(number)/read_ahead_kb"
        self.device = device
        request = RequestMemory()
    }

    /// Gives up the connection: all who wait for an answer, and all later users, get `ENOTCONN`.
    func close() {
        device = nil
        answer = []
    }

    // MARK: Requests

    /// Whether nothing more will be sent.
    var hasEnded: Bool { device == nil }

    /// Whether ``send(to:)`` could do something now, if the port has room.
    var isReady: Bool { device != nil && credit > 0 && (isReadable || !waiting.isEmpty) }

    /// Notes that the device became readable.
    func becameReadable() { isReadable = true }

    /// Adds credit from the host.
    func grant(_ count: UInt32) { credit = min(credit + UInt64(count), UInt64(UInt32.max)) }

    /// Sends a request, or a part of a long one.
    func send(to port: HostPort) {
        if waiting.isEmpty {
            guard let device else { return }
            let count = read(device.number, request.bytes.baseAddress, request.bytes.count)
            guard count > 0 else {
                // ENOENT: whoever asked has gone. ENODEV: it is unmounted, of which the loop hears too.
                if count == 0 || (errno != EINTR && errno != ENOENT) { isReadable = false }
                return
            }
            waiting = 0..<count
        }
        let count = min(waiting.count, Int(clamping: credit), FrameHeader.maximumData)
        let piece = waiting.lowerBound..<waiting.lowerBound + count
        port.sendData(of: stream, .output, UnsafeRawBufferPointer(rebasing: request.bytes[piece]))
        waiting = piece.upperBound..<waiting.upperBound
        credit -= UInt64(count)
    }

    // MARK: Answers

    /// Takes bytes from the host.
    /// - Returns: how much credit to give back now.
    func receive(_ bytes: [UInt8]) -> UInt32 {
        var offset = 0
        while offset < bytes.count && !isBroken {
            if answer.isEmpty, let length = length(bytes[offset...]), length <= bytes.count - offset {
                deliver(bytes, offset, length)
                offset += length
                continue
            }
            // In pieces: the head first, which tells how much is still to come.
            let wanted = max((length(answer[...]) ?? HostMount.answerHead) - answer.count, 1)
            let piece = bytes[offset..<min(bytes.count, offset + wanted)]
            answer.append(contentsOf: piece)
            offset += piece.count
            if let length = length(answer[...]), length == answer.count {
                deliver(answer, 0, length)
                answer.removeAll(keepingCapacity: answer.capacity <= Int(FlowWindow.initial))
            }
        }
        taken += UInt32(clamping: bytes.count)
        guard taken >= HostMount.creditStep else { return 0 }
        defer { taken = 0 }
        return taken
    }

    /// The length that an answer's head says; `nil` when there is not all of the head.
    private func length(_ bytes: ArraySlice<UInt8>) -> Int? {
        guard bytes.count >= HostMount.answerHead else { return nil }
        let length = bytes.prefix(4).reversed().reduce(0) { $0 << 8 | Int($1) }
        guard (HostMount.answerHead...HostMount.longestAnswer).contains(length) else {
            isBroken = true
            return bytes.count
        }
        return length
    }

    private func deliver(_ bytes: [UInt8], _ offset: Int, _ length: Int) {
        guard let device, !isBroken else { return }
        let count = bytes.withUnsafeBytes { write(device.number, $0.baseAddress.map { $0 + offset }, length) }
        // ENOENT: the request was withdrawn. Anything else would leave somebody waiting for ever.
        if count < 0 && errno != ENOENT { isBroken = true }
        // With the first answer the kernel has settled how much it reads ahead, which is little. As much as may be under way
        // at a time makes reading half as quick again; where that cannot be said it is just slower.
        if let readAhead { try? KernelFile.set(readAhead, to: "\(FlowWindow.initial / 1024)") }
        readAhead = nil
    }
}

/// Memory for one request. The kernel refuses to fill less than its longest one needs, and mostly fills a few bytes: pages
/// that nothing is written to cost nothing.
private final class RequestMemory {
    let bytes: UnsafeMutableRawBufferPointer

    // Sound: the memory is owned by this object alone and freed with it; nobody keeps a pointer to it.
    init() { bytes = .allocate(byteCount: 1 << 20 + 16_384, alignment: 4096) }

    deinit { bytes.deallocate() }
}
