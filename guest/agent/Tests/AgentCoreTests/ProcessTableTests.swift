import AgentProtocol
import Glibc
import Testing

@testable import AgentCore

@Suite("Processes")
struct ProcessTableTests {
    private let live: LiveTable

    init() throws { live = try LiveTable() }

    private func text(_ bytes: [UInt8]) -> String { String(decoding: bytes, as: UTF8.self) }

    @Test("output and errors come on their own channels, the exit status last")
    func channels() throws {
        live.start(["/bin/sh", "-c", "echo out; echo err >&2; exit 3"])
        guard case .started(1, _) = try live.next() else { throw LiveTable.Silence() }
        let (output, error, end) = try live.finish()
        #expect(text(output) == "out\n")
        #expect(text(error) == "err\n")
        #expect(end == .exited(stream: 1, ExitStatus(.code(3))))
    }

    @Test("a process sees the machine's environment, its own over it, and where programs are")
    func environment() throws {
        live.start(["/bin/sh", "-c", "echo $FROM $OWN $HOME; echo $PATH"], environment: ["OWN=1"])
        #expect(text(try live.finish().output) == "machine 1 /\n\(ProcessEnvironment.standardPath)\n")
    }

    @Test(
        "why a program does not start is told",
        arguments: [
            (["no-such-program"], "", StartFailure.Reason.notFound), (["/no/such/program"], "", .notFound),
            (["/etc"], "", .notExecutable), (["/etc/passwd"], "", .notExecutable),
            (["/bin/true"], "/no/such/directory", .noSuchDirectory), (["/bin/true"], "relative", .badRequest),
        ])
    func failures(_ arguments: [String], _ directory: String, _ reason: StartFailure.Reason) throws {
        live.start(arguments, directory: directory)
        guard case .failed(1, let failure) = try live.next() else { throw LiveTable.Silence() }
        #expect(failure.reason == reason)
    }

    @Test("a stream number in use is refused and the process of that number goes on")
    func streamInUse() throws {
        live.start(["/bin/cat"], input: true)
        _ = try live.next()
        live.start(["/bin/true"])
        guard case .failed(1, let failure) = try live.next() else { throw LiveTable.Silence() }
        #expect(failure.reason == .badRequest)
        live.table.endInput(of: 1)
        #expect(try live.finish().end == .exited(stream: 1, ExitStatus(.code(0))))
    }

    @Test("stdin comes out of cat as it went in, however much it is")
    func echo() throws {
        live.start(["/bin/cat"], input: true)
        let sent = (0..<3_000_000).map { UInt8(truncatingIfNeeded: $0 &* 7 &+ $0 >> 8) }
        var position = 0
        var credit = Int(FlowWindow.initial)
        var output: [UInt8] = []
        func push() throws {
            while position < sent.count && credit > 0 {
                let count = min(credit, 65_536, sent.count - position)
                try live.table.receive(Array(sent[position..<position + count]), for: 1)
                position += count
                credit -= count
            }
            if position == sent.count { live.table.endInput(of: 1) }
        }
        try push()
        while true {
            switch try live.next() {
            case .credit(1, let count):
                credit += Int(count)
                try push()
            case .data(1, let channel, let bytes):
                output += bytes
                try live.table.grant(UInt32(bytes.count), to: channel, of: 1)
            case .exited:
                #expect(output == sent)
                return
            default: continue
            }
        }
    }

    @Test("bytes beyond the credit are the host's error")
    func beyondCredit() throws {
        live.start(["/bin/sleep", "5"], input: true, timeout: 200)
        let chunk = [UInt8](repeating: 0, count: 65_536)
        for _ in 0..<8 { try live.table.receive(chunk, for: 1) }
        #expect(throws: AgentError.self) { try live.table.receive([0], for: 1) }
        _ = try live.finish()
    }

    @Test("a process that closes its stdin does not hold up the host")
    func closedInput() throws {
        live.start(["/bin/sh", "-c", "exec <&-; echo closed; read x <&2; sleep 5"], input: true, timeout: 3_000)
        var granted = 0
        var isClosed = false
        while granted < 1_000_000 {
            switch try live.next() {
            case .data:
                isClosed = true
                for _ in 0..<8 { try live.table.receive([UInt8](repeating: 0, count: 65_536), for: 1) }
            case .credit(_, let count):
                granted += Int(count)
                if granted < 1_000_000 { try live.table.receive([UInt8](repeating: 0, count: Int(count)), for: 1) }
            default: continue
            }
        }
        #expect(isClosed)
        live.table.signal(9, to: 1)
        #expect(try live.finish().end == .exited(stream: 1, ExitStatus(.signal(9))))
    }

    @Test("a flood stops at its credit and another process is not held up")
    func flood() throws {
        live.start(["/bin/cat", "/dev/zero"], stream: 1)
        var flooded = 0
        while flooded < Int(FlowWindow.initial) {
            if case .data(1, .output, let bytes) = try live.next() { flooded += bytes.count }
        }
        live.start(["/bin/echo", "x"], stream: 2)
        let (output, _, _) = try live.finish(2)
        #expect(text(output) == "x\n")
        #expect(flooded == Int(FlowWindow.initial))
        live.table.signal(9, to: 1)
        try live.table.grant(1_000_000, to: .output, of: 1)
        #expect(try live.finish(1).end == .exited(stream: 1, ExitStatus(.signal(9))))
    }

    @Test(
        "what is in the pipe when the process ends is sent, and a background child that holds the pipe is not waited for"
    )
    func backgroundChild() throws {
        live.start(["/bin/sh", "-c", "head -c 60000 /dev/zero; sleep 3 & echo; exit 0"])
        let before = EventLoop.now()
        let (output, _, end) = try live.finish()
        #expect(output.count == 60_001)
        #expect(end == .exited(stream: 1, ExitStatus(.code(0))))
        #expect(EventLoop.now() - before < 2_500_000_000)
    }

    @Test("a background child that never stops writing does not keep the process from ending")
    func backgroundFlood() throws {
        live.start(["/bin/sh", "-c", "timeout 2 cat /dev/zero & sleep 0.1; exit 4"])
        #expect(try live.finish().end == .exited(stream: 1, ExitStatus(.code(4))))
    }

    @Test("a signal goes to the whole process group")
    func signal() throws {
        live.start(["/bin/sh", "-c", "sleep 60 & echo $!; wait"])
        while true { if case .data = try live.next() { break } }
        live.table.signal(15, to: 1)
        #expect(try live.finish().end == .exited(stream: 1, ExitStatus(.signal(15))))
    }

    @Test("time over kills a process that ignores everything else")
    func timeout() throws {
        live.start(["/bin/sh", "-c", "trap '' TERM INT HUP; while :; do sleep 1; done"], timeout: 100)
        #expect(try live.finish().end == .exited(stream: 1, ExitStatus(.signal(9), timedOut: true)))
    }

    @Test(
        "a terminal has its size, is the controlling one, and ends its input on the end-of-file character",
        .enabled(if: access("/dev/pts/ptmx", R_OK | W_OK) == 0, "this machine's devpts is closed to this user"))
    func terminal() throws {
        live.start(
            ["/bin/sh", "-c", "stty size; tty < /dev/tty >/dev/null && echo controlling; cat"], input: true,
            terminal: TerminalSize(rows: 33, columns: 99))
        live.table.endInput(of: 1)
        let (output, _, end) = try live.finish()
        #expect(text(output) == "33 99\r\ncontrolling\r\n")
        #expect(end == .exited(stream: 1, ExitStatus(.code(0))))
    }

    @Test("messages for a stream that is gone are not errors")
    func late() throws {
        live.start(["/bin/true"])
        _ = try live.finish()
        try live.table.receive([1], for: 1)
        try live.table.grant(1, to: .output, of: 1)
        live.table.signal(9, to: 1)
        live.table.endInput(of: 1)
        live.table.resize(1, to: TerminalSize(rows: 1, columns: 1))
        try live.settle()
        #expect(live.takeReceived().isEmpty)
    }

    @Test("credit that no honest host can give is refused")
    func tooMuchCredit() throws {
        live.start(["/bin/sleep", "5"], timeout: 100)
        #expect(throws: AgentError.self) {
            for _ in 0..<2 { try live.table.grant(.max, to: .output, of: 1) }
        }
        _ = try live.finish()
    }

    @Test("no descriptor of the agent reaches a process")
    func descriptors() throws {
        live.start(["/bin/sh", "-c", "ls /proc/self/fd | tr '\\n' ' '"])
        // The fourth is the one ls itself lists with.
        #expect(text(try live.finish().output) == "0 1 2 3 ")
    }
}
