import AgentProtocol
import CAgent
import Glibc

/// One stream of bytes that a process writes: its stdout, its stderr or its terminal.
///
/// Sent only within the host's credit. When the process is gone, what is in the pipe at that moment is still sent,
/// and nothing that background children write later.
final class OutputSource: Output {
    let stream: UInt32
    let channel: Channel
    private let descriptor: Descriptor
    private let isTerminal: Bool
    private var credit: UInt64 = UInt64(FlowWindow.initial)
    private var isReadable = false
    private var rest: Int?

    /// Whether nothing more will be sent.
    private(set) var hasEnded = false
    /// Whether somebody may still write: the end was told because the process is gone.
    private(set) var isLeftOpen = false

    private static let worthMoving = 16_384
    /// The most that is sent of a terminal after its process is gone; the kernel buffers less.
    private static let terminalRest = 131_072

    init(_ descriptor: Descriptor, channel: Channel, stream: UInt32, isTerminal: Bool) {
        self.descriptor = descriptor
        self.channel = channel
        self.stream = stream
        self.isTerminal = isTerminal
    }

    /// Where the bytes come from.
    var source: Descriptor { descriptor }

    /// Whether ``send(to:)`` could do something now, if the port has room.
    var isReady: Bool { !hasEnded && (rest == 0 || isReadable && credit > 0) }

    /// Notes that the descriptor became readable.
    func becameReadable() { isReadable = true }

    /// Adds credit from the host.
    /// - Throws: ``AgentError/hostMisbehaved(_:)`` on a sum that no honest host can reach.
    func grant(_ count: UInt32) throws(AgentError) {
        credit += UInt64(count)
        guard credit <= UInt64(UInt32.max) else { throw .hostMisbehaved("too much credit for stream \(stream)") }
    }

    /// Limits what is still sent to what is there now; the process is gone.
    func processIsGone() {
        isReadable = true
        rest = isTerminal ? OutputSource.terminalRest : max(Int(agent_readable_bytes(descriptor.number)), 0)
    }

    /// Sends one frame, or notices the end.
    func send(to port: HostPort) {
        if rest == 0 { return end(port, leftOpen: true) }
        let limit = min(Int(credit), rest ?? .max)
        // Much is moved from the pipe to the port; less is better copied.
        let waiting = isTerminal || limit < OutputSource.worthMoving ? 0 : Int(agent_readable_bytes(descriptor.number))
        let count =
            waiting >= OutputSource.worthMoving && port.canMove
            ? port.moveData(of: stream, channel, from: descriptor, count: min(waiting, limit))
            : port.sendData(of: stream, channel, from: descriptor, limit: limit)
        if count > 0 {
            credit -= UInt64(count)
            if let left = rest { rest = left - count }
            if rest == 0 { end(port, leftOpen: true) }
        } else if count < 0 && errno == EINTR {
            return
        } else if count < 0 && errno == EAGAIN {
            isReadable = false
            if rest != nil { end(port, leftOpen: true) }
        } else {
            // The end of a pipe, or EIO: the end of a terminal that nobody holds any more. A terminal that nobody
            // has opened yet says the same, but its first opener is the process itself.
            end(port, leftOpen: false)
        }
    }

    private func end(_ port: HostPort, leftOpen: Bool) {
        hasEnded = true
        isLeftOpen = leftOpen && !isTerminal
        port.send(.end(stream: stream, channel))
    }
}
