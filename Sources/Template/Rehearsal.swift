import AgentProtocol
import Engine
import ForeignText
import Glibc
import LinuxSystem
import Synchronization

/// Sees a machine through its boot and its rehearsal, and keeps what the console says meanwhile.
///
/// The agent of a machine that boots says three times that it is ready. After the first two it does, in a process that
/// passes away, all that it does for a sandbox, one that was used before and one that is new: what that brings into the
/// kernel's and the emulator's memory the forks find there.
final class Rehearsal: Sendable {
    /// Longest time from the start of the engine to the end of the rehearsal, in seconds. Generous: an emulated machine on
    /// a busy host takes many times the usual one.
    private static let limit: UInt64 = 120

    private let machine: any Machine
    private let console = Mutex<[UInt8]>([])

    init(_ machine: any Machine) { self.machine = machine }

    /// The last lines on the console, printable.
    var lastLines: String {
        String(decoding: console.withLock { $0 }, as: UTF8.self).printable
    }

    /// Returns when the agent has rehearsed and is ready. Blocks the calling thread.
    func play() throws {
        var agent = Conversation(self)
        for isNew in [false, true] { try rehearse(&agent, isNew: isNew) }
        try agent.waitUntilReady()
    }

    private func rehearse(_ agent: inout Conversation, isNew: Bool) throws {
        try agent.waitUntilReady()
        try configure(&agent, isNew: isNew)
        try agent.mount()
        // With and without a terminal, and twice: the second finds what the first has left.
        for (number, terminal) in [nil, nil, TerminalSize(rows: 24, columns: 80)].enumerated() {
            try runProgram(&agent, stream: UInt32(number + 1), terminal)
        }
        try agent.send(.measure)
        guard case .measured = try agent.next() else { throw Failure("the agent does not measure") }
        try pause(&agent)
        try agent.send(.shutdown(graceMilliseconds: 1000))
        guard case .stopped = try agent.next() else { throw Failure("the agent does not stop") }
    }

    /// Lets the agent go on as another machine.
    private func pause(_ agent: inout Conversation) throws {
        try agent.send(.freeze(writesDisk: false))
        guard case .frozen = try agent.next() else { throw Failure("the agent does not fall silent") }
        let thawing = Thawing(isNew: true, isElsewhere: true, Self.configuration(isNew: false))
        try agent.send(.thaw(thawing))
        guard case .thawed(let confirmation) = try agent.next() else { throw Failure("the agent does not go on") }
        if let lacking = confirmation.confirms(thawing) { throw Failure("the agent lacks \(lacking)") }
    }

    private static func configuration(isNew: Bool) -> MachineConfiguration {
        MachineConfiguration(
            entropy: [UInt8](repeating: 0, count: 64), wallClock: HostClock.wall, hostName: "rehearsal",
            machineID: String(repeating: "0", count: 32), mac: [2, 0, 0, 0, 0, 1], upperIsFresh: isNew,
            limits: .init(processes: 64))
    }

    private func configure(_ agent: inout Conversation, isNew: Bool) throws {
        let configuration = Self.configuration(isNew: isNew)
        try agent.send(.configure(configuration))
        switch try agent.next() {
        case .configured(let confirmation):
            if let lacking = confirmation.confirms(configuration) { throw Failure("the agent lacks \(lacking)") }
        case .refused(let reason): throw Failure("the agent refused: \(reason.printable)")
        default: throw Failure("the agent does not confirm")
        }
        try agent.send(.setClock(HostClock.wall))
    }

    private func runProgram(_ agent: inout Conversation, stream: UInt32, _ terminal: TerminalSize?) throws {
        let specification = ProcessSpecification(
            arguments: ["/rehearsal"], environment: ["HOME=/root"],
            workingDirectory: stream == 2 && agent.hasMount ? RehearsedMount.target : "/", user: "root",
            terminal: terminal, takesInput: true)
        try agent.send(.start(stream: stream, specification))
        try agent.send(.data(stream: stream, [0x0a]))
        try agent.send(.end(stream: stream))
        while true {
            switch try agent.next() {
            case .started, .end, .credit: continue
            case .data(let stream, let channel, let bytes):
                try agent.send(.credit(stream: stream, channel, UInt32(bytes.count)))
            case .exited(stream, ExitStatus(.code(0))): return
            case .failed(stream, let failure): throw Failure("the program cannot be run: \(failure.detail.printable)")
            default: throw Failure("the program did not end well")
            }
        }
    }

    private struct Failure: Error, CustomStringConvertible {
        let description: String
        init(_ description: String) { self.description = description }
    }

    /// What is said to the agent and what it says.
    private struct Conversation {
        private let deadline = HostClock.monotonic + Rehearsal.limit * 1_000_000_000
        private let rehearsal: Rehearsal
        private var decoder = FrameDecoder()
        private var consoleOpen = true
        private var mounted = RehearsedMount()

        /// Whether a directory is mounted.
        var hasMount: Bool { mounted.isPlaced }

        init(_ rehearsal: Rehearsal) { self.rehearsal = rehearsal }

        func send(_ message: HostMessage) throws { try rehearsal.machine.agentPort.write(try message.frame().encoded) }

        mutating func waitUntilReady() throws {
            guard case .ready(ProtocolVersion.current) = try next() else {
                throw Failure("the guest's agent is of another version; build the initramfs anew")
            }
        }

        /// Mounts a directory as the host serves it, if the guest's kernel can.
        mutating func mount() throws {
            mounted = RehearsedMount()
            try send(RehearsedMount.start)
            while mounted.isStarting {
                if let message = try nextMessage() { throw Failure("the agent does not mount: \(message)") }
            }
        }

        mutating func next() throws -> GuestMessage {
            while true { if let message = try nextMessage() { return message } }
        }

        /// The next message; `nil` for one about the mount, which is answered.
        private mutating func nextMessage() throws -> GuestMessage? {
            let frame = try nextFrame()
            let message = try GuestMessage(frame)
            guard frame.stream == RehearsedMount.stream else { return message }
            for answer in mounted.receive(message) { try send(answer) }
            return nil
        }

        private mutating func nextFrame() throws -> Frame {
            let machine = rehearsal.machine
            while true {
                if let frame = try decoder.next() { return frame }
                let now = HostClock.monotonic
                guard now < deadline else { throw Failure("the agent is not ready after \(Rehearsal.limit) seconds") }
                var wait = [
                    pollfd(fd: machine.agentPort.rawValue, events: Int16(POLLIN), revents: 0),
                    pollfd(fd: consoleOpen ? machine.console.rawValue : -1, events: Int16(POLLIN), revents: 0),
                ]
                _ = poll(&wait, nfds_t(wait.count), Int32((deadline - now) / 1_000_000 + 1))
                if wait[1].revents != 0 {
                    let bytes = try read(machine.console)
                    consoleOpen = !bytes.isEmpty
                    rehearsal.console.withLock { $0 = ($0 + bytes).suffix(2048) }
                }
                guard wait[0].revents != 0 else { continue }
                let bytes = try read(machine.agentPort)
                guard !bytes.isEmpty else { throw Failure("the machine ended while it booted") }
                decoder.append(bytes)
            }
        }

        private func read(_ descriptor: Descriptor) throws -> ArraySlice<UInt8> {
            var bytes = [UInt8](repeating: 0, count: 4096)
            let count = try bytes.withUnsafeMutableBytes { try descriptor.read(into: $0) }
            return bytes[..<count]
        }
    }
}
