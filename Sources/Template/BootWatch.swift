import AgentProtocol
import Engine
import ForeignText
import Glibc
import LinuxSystem
import Synchronization

/// Waits for the agent of a machine that boots, and keeps what the console says meanwhile.
final class BootWatch: Sendable {
    /// Longest time from the start of the engine to the agent's first message, in seconds. Generous: an emulated machine
    /// on a busy host takes many times the usual one.
    private static let limit: UInt64 = 120

    private let machine: any Machine
    private let console = Mutex<[UInt8]>([])

    init(_ machine: any Machine) { self.machine = machine }

    /// The last lines on the console, printable.
    var lastLines: String {
        String(decoding: console.withLock { $0 }, as: UTF8.self).printable
    }

    /// Returns when the agent has said that it is ready. Blocks the calling thread.
    func waitForAgent() throws {
        let deadline = HostClock.monotonic + Self.limit * 1_000_000_000
        var decoder = FrameDecoder()
        var consoleOpen = true
        while true {
            let now = HostClock.monotonic
            guard now < deadline else { throw BootFailure("the agent is not ready after \(Self.limit) seconds") }
            var wait = [
                pollfd(fd: machine.agentPort.rawValue, events: Int16(POLLIN), revents: 0),
                pollfd(fd: consoleOpen ? machine.console.rawValue : -1, events: Int16(POLLIN), revents: 0),
            ]
            _ = poll(&wait, nfds_t(wait.count), Int32((deadline - now) / 1_000_000 + 1))
            if wait[1].revents != 0 {
                let bytes = try read(machine.console)
                consoleOpen = !bytes.isEmpty
                console.withLock { $0 = ($0 + bytes).suffix(2048) }
            }
            guard wait[0].revents != 0 else { continue }
            let bytes = try read(machine.agentPort)
            guard !bytes.isEmpty else { throw BootFailure("the machine ended while it booted") }
            decoder.append(bytes)
            guard let frame = try decoder.next() else { continue }
            guard case .ready(ProtocolVersion.current) = try GuestMessage(frame), decoder.buffered == 0 else {
                throw BootFailure("the guest's agent is of another version; build the initramfs anew")
            }
            return
        }
    }

    private func read(_ descriptor: Descriptor) throws -> ArraySlice<UInt8> {
        var bytes = [UInt8](repeating: 0, count: 4096)
        let count = try bytes.withUnsafeMutableBytes { try descriptor.read(into: $0) }
        return bytes[..<count]
    }

    private struct BootFailure: Error, CustomStringConvertible {
        let description: String
        init(_ description: String) { self.description = description }
    }
}
