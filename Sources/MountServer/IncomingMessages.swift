import Glibc

/// Requests from the guest as they come in, taken apart into messages.
final class IncomingMessages {
    private var memory: UnsafeMutableRawBufferPointer
    private var start = 0
    private var end = 0

    /// - Parameter bytes: what an earlier server had received.
    init(_ bytes: [UInt8] = []) {
        memory = .allocate(byteCount: bytes.count + 2 * KernelProtocol.longestRequest, alignment: 4096)
        memory.copyBytes(from: bytes)
        end = bytes.count
    }

    deinit { memory.deallocate() }

    /// What has come and was not taken.
    var rest: UnsafeRawBufferPointer { UnsafeRawBufferPointer(rebasing: memory[start..<end]) }

    /// Whether a whole message could still come into the memory.
    var hasRoom: Bool { memory.count - (end - start) >= KernelProtocol.longestRequest }

    /// The next message, valid until bytes are received; `nil` when it has not come completely.
    /// - Throws: `EPROTO` when what comes cannot be a message, so that nothing after it can be found either.
    func next() throws(ErrorNumber) -> UnsafeRawBufferPointer? {
        guard end - start >= MemoryLayout<UInt32>.size else { return nil }
        let length = Int(rest.loadUnaligned(as: UInt32.self))
        guard length >= KernelProtocol.requestHeader, length <= KernelProtocol.longestRequest else {
            throw ErrorNumber(EPROTO)
        }
        guard end - start >= length else { return nil }
        let message = UnsafeRawBufferPointer(rebasing: memory[start..<start + length])
        start += length
        return message
    }

    /// What came of an attempt to receive.
    enum Received: Equatable {
        case bytes(Int)
        case nothingYet
        case end
    }

    /// Receives what is there.
    func receive(from socket: Int32) throws(ErrorNumber) -> Received {
        if start == end { (start, end) = (0, 0) }
        if memory.count - end < KernelProtocol.longestRequest, start > 0, let base = memory.baseAddress {
            memmove(base, base + start, end - start)
            (start, end) = (0, end - start)
        }
        guard end < memory.count else { return .nothingYet }
        let free = UnsafeMutableRawBufferPointer(rebasing: memory[end...])
        while true {
            let count = recv(socket, free.baseAddress, free.count, Int32(MSG_DONTWAIT))
            if count > 0 {
                end += count
                return .bytes(count)
            }
            if count == 0 || errno == ECONNRESET { return .end }
            if errno == EAGAIN { return .nothingYet }
            guard errno == EINTR else { throw ErrorNumber(errno) }
        }
    }

    /// Makes room for as many bytes again as there are.
    func grow() {
        let larger = UnsafeMutableRawBufferPointer.allocate(byteCount: memory.count * 2, alignment: 4096)
        larger.copyMemory(from: rest)
        (start, end) = (0, end - start)
        memory.deallocate()
        memory = larger
    }
}
