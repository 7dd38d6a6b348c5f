import AgentProtocol
import CAgent
import Glibc

/// The stdin of a process: takes bytes from the host within the credit it gives and writes them as the process reads.
///
/// A process that closes its stdin does not stop the host: what arrives from then on is thrown away and acknowledged.
final class InputSink {
    /// Where the bytes go; `nil` when they go nowhere any more.
    private(set) var descriptor: Descriptor?
    private let isTerminal: Bool
    private let close: (Descriptor) -> Void
    private var chunks: [[UInt8]] = []
    private var first = 0
    private var offset = 0
    private var outstanding = 0
    private var taken = 0
    private var isWritable = false
    private var hasEnded = false
    private var lastByte: UInt8?

    /// Credit is given back in pieces of at least so many bytes, or when nothing is left to write.
    private static let creditStep = 131_072

    /// Makes a sink that waits for ``becameWritable()``; with `nil` everything is thrown away.
    /// - Parameter close: called with the descriptor when it is no longer needed.
    init(_ descriptor: Descriptor?, isTerminal: Bool, close: @escaping (Descriptor) -> Void) {
        self.descriptor = descriptor
        self.isTerminal = isTerminal
        self.close = close
    }

    /// Takes bytes from the host.
    /// - Returns: how much credit to give back now.
    /// - Throws: ``AgentError/hostMisbehaved(_:)`` when the host had no credit for them.
    func receive(_ bytes: [UInt8]) throws(AgentError) -> UInt32 {
        guard outstanding + bytes.count <= Int(FlowWindow.initial) else {
            throw .hostMisbehaved("stdin beyond its credit")
        }
        guard !hasEnded || bytes.isEmpty else { throw .hostMisbehaved("stdin after its end") }
        outstanding += bytes.count
        if let last = bytes.last {
            chunks.append(bytes)
            lastByte = last
        }
        return write()
    }

    /// Notes that no more bytes come: closes stdin when the process has read all.
    func end() {
        guard !hasEnded else { return }
        hasEnded = true
        if isTerminal, let descriptor { appendEndCharacter(of: descriptor) }
        _ = write()
    }

    /// Notes that the process has read.
    /// - Returns: how much credit to give back now.
    func becameWritable() -> UInt32 {
        isWritable = true
        return write()
    }

    /// Closes stdin and throws away what is queued.
    func abandon() {
        taken += chunks[first...].reduce(0) { $0 + $1.count } - offset
        drop(chunks.count - first)
        release()
    }

    private func release() {
        guard let descriptor else { return }
        self.descriptor = nil
        close(descriptor)
    }

    private func drop(_ count: Int) {
        for index in first..<first + count { chunks[index] = [] }
        first += count
        offset = 0
        if first == chunks.count || first >= 64 {
            chunks.removeFirst(first)
            first = 0
        }
    }

    private func write() -> UInt32 {
        guard let descriptor else {
            abandon()
            return credit()
        }
        while isWritable && first < chunks.count {
            let count = chunks[first].withUnsafeBytes {
                Glibc.write(descriptor.number, $0.baseAddress.map { $0 + offset }, $0.count - offset)
            }
            if count > 0 {
                offset += count
                taken += count
                if offset == chunks[first].count { drop(1) }
            } else if count < 0 && errno == EINTR {
                continue
            } else if count == 0 || errno == EAGAIN {
                isWritable = false
            } else {
                abandon()
                return credit()
            }
        }
        if hasEnded && first == chunks.count { release() }
        return credit()
    }

    /// A terminal cannot be half closed; its end-of-file character ends a read instead. After an unfinished line the
    /// first one only ends the line.
    private func appendEndCharacter(of descriptor: Descriptor) {
        guard let character = UInt8(exactly: agent_terminal_end_character(descriptor.number)) else { return }
        let isAtLineStart = lastByte == nil || lastByte == UInt8(ascii: "\n") || lastByte == UInt8(ascii: "\r")
        chunks.append([UInt8](repeating: character, count: isAtLineStart ? 1 : 2))
    }

    private func credit() -> UInt32 {
        // After the end the host has no use for credit.
        guard !hasEnded else { return 0 }
        guard taken >= InputSink.creditStep || first == chunks.count else { return 0 }
        defer { taken = 0 }
        outstanding -= taken
        return UInt32(clamping: taken)
    }
}
