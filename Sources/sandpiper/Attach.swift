import AgentProtocol
import ArgumentParser
import Control
import ControlClient
import Glibc
import LinuxSystem
import SandboxState

/// `sandpiper attach`: goes back to a job in the background.
struct Attach: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Go back to a job in the background: see its output from where it is kept, and write to its stdin.",
        discussion: """
            Ends with the job, with its exit status. Ctrl-P Ctrl-Q leaves a job that has a terminal, and the end of this \
            command any other; the job goes on. Signals that this command gets go to the job, unless --no-signals says so.
            """)

    @Flag(help: "Do not pass stdin on.") var noInput = false
    @Flag(help: "Keep signals from the job: they end this command only.") var noSignals = false
    @Argument(help: "Name or id of the sandbox.") var sandbox: String
    @Argument(help: "The number of the job; the main process when none is given.") var job: Int?

    func run() throws {
        let signals = try SignalDescriptor([SIGINT, SIGQUIT, SIGTERM, SIGHUP, SIGWINCH])
        signal(SIGPIPE, SIG_IGN)
        let directory = try SandboxDirectory.find(sandbox, in: try Home.current())
        let connection = try ControlConnection(waking: directory)
        guard case .jobs(let jobs) = try connection.request(.jobs) else { throw ControlError.hungUp }
        let record = try choose(jobs, directory)
        let follower = try JobLogFollower(record.number, of: directory)
        let takesInput = record.takesInput && !noInput && record.ended == nil
        let terminal = try TerminalIO(
            wanted: record.terminal && Descriptor(duplicating: 0).isTerminal, interactive: takesInput)
        let client = try JobClient(
            connection, follower, record, terminal, signals: signals, takesInput: takesInput,
            passesSignals: !noSignals)
        let status = try client.run()
        // With its main process the sandbox stops: whoever comes next finds it at rest.
        if client.jobHasEnded, isMain(record, directory) { try? connection.waitForEnd() }
        throw ExitStatusError(code: status)
    }

    private func isMain(_ job: JobRecord, _ directory: SandboxDirectory) -> Bool {
        let record = try? RecordFile.read(SandboxRecord.self, from: directory.record)
        return record?.restart == .never && record?.main?.arguments == job.command
    }

    private func choose(_ jobs: [JobRecord], _ directory: SandboxDirectory) throws -> JobRecord {
        if let job {
            guard let record = jobs.first(where: { $0.number == job }) else {
                throw Failure("sandbox \(sandbox) has no job \(job); see 'sandpiper jobs \(sandbox)'")
            }
            return record
        }
        let main = try RecordFile.read(SandboxRecord.self, from: directory.record).main?.arguments
        guard let main, let record = jobs.last(where: { $0.command == main }) else {
            throw Failure("sandbox \(sandbox) has no main process; name a job, see 'sandpiper jobs \(sandbox)'")
        }
        return record
    }
}

/// A job in the background as this command sees it: its log comes out, stdin and signals go in.
final class JobClient {
    /// The job's number on the control socket.
    private static let stream: UInt32 = 1
    /// Ctrl-P and Ctrl-Q, as Docker has it.
    private static let leave: [UInt8] = [16, 17]

    private let connection: ControlConnection
    private var follower: JobLogFollower
    private let record: JobRecord
    private let terminal: TerminalIO
    private let signals: SignalDescriptor
    private let passesSignals: Bool
    private let input: Descriptor
    private let output: Descriptor
    private let error: Descriptor
    private var takesInput: Bool
    private var inputCredit = 0
    private var isAttached = false
    private var lastByte: UInt8 = 0
    private var status: Int32?
    /// Whether the job's end was seen.
    private(set) var jobHasEnded = false

    init(
        _ connection: ControlConnection, _ follower: JobLogFollower, _ record: JobRecord, _ terminal: TerminalIO,
        signals: SignalDescriptor, takesInput: Bool, passesSignals: Bool
    ) throws {
        self.connection = connection
        self.follower = follower
        self.record = record
        self.terminal = terminal
        self.signals = signals
        self.takesInput = takesInput
        self.passesSignals = passesSignals
        input = try Descriptor(duplicating: 0)
        output = try Descriptor(duplicating: 1)
        error = try Descriptor(duplicating: 2)
    }

    /// Follows the job to its end, or until this command is told to leave; returns the status to end with.
    func run() throws -> Int32 {
        defer { terminal.restore() }
        if record.ended == nil {
            try connection.send(.attach(stream: Self.stream, job: UInt32(clamping: record.number)))
        }
        var goesOn = try drain()
        if follower.missed > 0 { complain("\(follower.missed) earlier pieces of output were not kept") }
        while goesOn, status == nil {
            var descriptors = [
                pollfd(fd: connection.socket.rawValue, events: Int16(POLLIN), revents: 0),
                pollfd(fd: signals.descriptor.rawValue, events: Int16(POLLIN), revents: 0),
                // A negative descriptor is skipped.
                pollfd(
                    fd: isAttached && takesInput && inputCredit > 0 ? input.rawValue : -1, events: Int16(POLLIN),
                    revents: 0),
            ]
            descriptors += follower.descriptors.map { pollfd(fd: $0.rawValue, events: Int16(POLLIN), revents: 0) }
            guard poll(&descriptors, nfds_t(descriptors.count), -1) >= 0 || errno == EINTR else {
                throw SystemError("wait for events")
            }
            if descriptors[1].revents != 0 { try handleSignal() }
            if descriptors[0].revents != 0 { try receive() }
            if descriptors[2].revents != 0 { try passInput() }
            goesOn = try drain()
        }
        return status ?? record.exitStatus ?? 125
    }

    private func drain() throws -> Bool {
        try follower.drain { record in
            switch record.channel {
            case .output: try write(record.bytes, to: output)
            case .error: try write(record.bytes, to: error)
            case .end:
                jobHasEnded = true
                status = Int32(String(decoding: record.bytes, as: UTF8.self)) ?? 125
            }
        }
    }

    private func write(_ bytes: [UInt8], to target: Descriptor) throws {
        do { try target.write(bytes) } catch {
            guard error.number == EPIPE else { throw error }
            status = 128 + SIGPIPE
        }
    }

    private func receive() throws {
        guard let messages = try connection.receive() else {
            // The log's last record tells how it ended, if that is known.
            if try drain(), status == nil { throw ControlError.hungUp }
            return
        }
        for message in messages {
            switch message {
            case .process(.started):
                isAttached = true
                try terminal.makeRaw()
                if record.terminal { try send(.resize(stream: Self.stream, TerminalIO.size)) }
            case .process(.credit(_, let count)): inputCredit += Int(count)
            case .process(.failed(_, let failure)):
                isAttached = false
                complain(failure.detail)
            case .failed(let reason):
                _ = try drain()
                if status == nil { throw ControlError.failed(reason) }
            default: break
            }
        }
    }

    private func send(_ message: HostMessage) throws { try connection.send(.process(message)) }

    private func passInput() throws {
        var buffer = [UInt8](repeating: 0, count: min(FrameHeader.maximumData, inputCredit))
        let count = (try? buffer.withUnsafeMutableBytes { try input.read(into: $0) }) ?? 0
        let bytes = Array(buffer[..<count])
        if record.terminal, ([lastByte] + bytes).starts(with: Self.leave) || bytes.contains(Self.leave) {
            status = 0
            return
        }
        lastByte = bytes.last ?? lastByte
        // The end of this command's stdin leaves the job: its own stays open for whoever attaches next.
        if count == 0 {
            takesInput = false
        } else {
            inputCredit -= count
            try send(.data(stream: Self.stream, bytes))
        }
    }

    private func handleSignal() throws {
        let signal = try signals.next()
        if signal == SIGWINCH {
            if isAttached, record.terminal { try send(.resize(stream: Self.stream, TerminalIO.size)) }
        } else if isAttached, passesSignals, signal != SIGHUP {
            try send(.signal(stream: Self.stream, UInt8(signal)))
        } else {
            status = 128 + signal
        }
    }
}
