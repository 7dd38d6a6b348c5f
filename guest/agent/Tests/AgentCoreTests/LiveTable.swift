import AgentProtocol
import CAgent
import Glibc

@testable import AgentCore

/// A process table that runs real processes of this machine, with the host's end of its port in the test's hands.
final class LiveTable {
    let loop: EventLoop
    let port: HostPort
    let table: ProcessTable
    private let host: Descriptor
    private var decoder = FrameDecoder()
    private var received: [GuestMessage] = []
    private var watched: [pid_t: Descriptor] = [:]

    /// How long a test waits for something that should come.
    private static let patience: UInt64 = 20_000

    struct Silence: Error {}

    init() throws {
        signal(SIGPIPE, SIG_IGN)
        var ends: (Int32, Int32) = (-1, -1)
        _ = try withUnsafeMutableBytes(of: &ends) { ends in
            try AgentError.check("make sockets") {
                socketpair(
                    AF_UNIX, Int32(SOCK_STREAM.rawValue), 0, ends.baseAddress?.assumingMemoryBound(to: Int32.self))
            }
        }
        host = Descriptor(ends.0)
        let guest = Descriptor(ends.1)
        for end in [host, guest] {
            try end.setNonblocking()
            try AgentError.check("close on exec") { fcntl(end.number, F_SETFD, FD_CLOEXEC) }
        }
        loop = try EventLoop()
        port = try HostPort(guest, loop: loop)
        table = ProcessTable(
            loop: loop, port: port,
            surroundings: .init(
                environment: ["FROM=machine"], limits: [],
                terminals: try Descriptor.open("/dev/pts", O_PATH | O_DIRECTORY),
                null: try Descriptor.open("/dev/null", O_RDWR), controlGroups: nil,
                users: { () throws(AgentError) in UserDatabase(passwd: [], group: []) }))
        try loop.watch(host, for: .input) { _ in }
    }

    /// Starts a process as the user who runs the test.
    func start(
        _ arguments: [String], stream: UInt32 = 1, environment: [String] = [], directory: String = "",
        input: Bool = false,
        terminal: TerminalSize? = nil, timeout: UInt64 = 0
    ) {
        table.start(
            ProcessSpecification(
                arguments: arguments, environment: environment, workingDirectory: directory,
                user: "\(geteuid()):\(getegid())", terminal: terminal, takesInput: input, timeout: timeout),
            as: stream)
    }

    /// Runs the agent's side until the next message for the host is there.
    func next() throws -> GuestMessage {
        var isOver = false
        let deadline = loop.after(milliseconds: LiveTable.patience) { isOver = true }
        defer { loop.cancel(deadline) }
        while received.isEmpty {
            guard !isOver else { throw Silence() }
            try turn(mayWait: true)
        }
        return received.removeFirst()
    }

    /// Runs the agent's side until it has nothing left to do; no time passes.
    func settle() throws {
        for _ in 0..<50 { try turn(mayWait: false) }
    }

    /// The messages that have arrived.
    func takeReceived() -> [GuestMessage] {
        defer { received = [] }
        return received
    }

    /// What a stream said until its end, with credit given for all of it.
    func finish(_ stream: UInt32 = 1) throws -> (output: [UInt8], error: [UInt8], end: GuestMessage) {
        var output: [UInt8] = []
        var error: [UInt8] = []
        while true {
            let message = try next()
            switch message {
            case .data(stream, let channel, let bytes):
                if channel == .output { output += bytes } else { error += bytes }
                try table.grant(UInt32(bytes.count), to: channel, of: stream)
            case .exited(stream, _), .failed(stream, _): return (output, error, message)
            default: continue
            }
        }
    }

    private func turn(mayWait: Bool) throws {
        port.flush()
        try loop.turn(mayWait: mayWait && !table.hasWork && port.isFlushed && received.isEmpty)
        table.turn()
        port.flush()
        var chunk = [UInt8](repeating: 0, count: 65_536)
        while true {
            let count = chunk.withUnsafeMutableBytes { read(host.number, $0.baseAddress, $0.count) }
            guard count > 0 else { break }
            decoder.append(chunk[..<count])
        }
        while let frame = try decoder.next() {
            let message = try GuestMessage(frame)
            if case .started(_, let pid) = message { try watch(pid_t(pid)) }
            received.append(message)
        }
    }

    /// Tells the table when its child ends, as the reaper would; other tests' children are left alone.
    private func watch(_ pid: pid_t) throws {
        let child = Descriptor(try AgentError.check("watch a process") { agent_open_process(pid) })
        watched[pid] = child
        try loop.watch(child, for: .input) { [unowned self] _ in
            var status: Int32 = 0
            guard waitpid(pid, &status, WNOHANG) == pid else { return }
            loop.forget(child)
            watched[pid] = nil
            table.reaped(pid, Reaper.cause(of: status))
        }
    }
}
