import Glibc
import LinuxSystem
import Subprocess
import SystemPackage
import Testing

/// How a command ended, and what it printed.
struct Outcome {
    /// The exit status as a shell shows it: 128 and the number of the signal that ended the command.
    let status: Int32
    let output: String
    let error: String

    /// The lines on stdout, without their ends.
    var lines: [String] { Self.lines(of: output) }
    /// The lines on stderr, without their ends.
    var errorLines: [String] { Self.lines(of: error) }

    private static func lines(of text: String) -> [String] {
        text.split(whereSeparator: \.isNewline).map { String($0) }
    }
}

/// A command that runs, and whose stdout is read line by line.
struct RunningCommand {
    let pid: pid_t
    private let output: LineReader

    fileprivate init(pid: pid_t, output: LineReader) {
        self.pid = pid
        self.output = output
    }

    /// The next line on stdout, without its end; `nil` when stdout has ended.
    func line() async throws -> String? { try await output.next() }

    /// Expects that this is the next line on stdout.
    func expectLine(_ expected: String, _ location: SourceLocation = #_sourceLocation) async throws {
        let line = try await line()
        try #require(line == expected, sourceLocation: location)
    }

    /// Sends a signal.
    func signal(_ number: Int32) { kill(pid, number) }
}

/// A program with its surroundings, ready to run.
struct Command {
    /// No command of a test takes longer, on a busy host too, unless the test says so.
    static let patience = Duration.seconds(120)

    /// A name to be looked up on the path, or a path.
    let executable: String
    let arguments: [String]
    let environment: Environment

    private var program: Executable { executable.contains("/") ? .path(.init(executable)) : .name(executable) }

    /// Runs the command to its end.
    func run(input: String = "", patience: Duration = Self.patience) async throws -> Outcome {
        let result = try await Subprocess.run(
            program, arguments: Arguments(arguments), environment: environment, input: .string(input),
            output: .string(limit: 16 << 20), error: .string(limit: 1 << 20)
        ) { execution in Deadline(execution.processIdentifier.value, patience) }
        result.closureResult.lift()
        return Outcome(
            status: result.terminationStatus.shellCode, output: result.standardOutput, error: result.standardError)
    }

    /// Runs the command, and `body` beside it; what `body` has not read of stdout is thrown away by closing it.
    func run(while body: (RunningCommand) async throws -> Void) async throws -> Outcome {
        let result = try await Subprocess.run(
            program, arguments: Arguments(arguments), environment: environment, input: .none, output: .sequence,
            error: .string(limit: 1 << 20)
        ) { execution in
            let pid = execution.processIdentifier.value
            let deadline = Deadline(pid, Self.patience)
            do {
                try await body(RunningCommand(pid: pid, output: LineReader(execution.standardOutput)))
            } catch {
                // The command must not outlive a test that gave up on it.
                kill(pid, SIGTERM)
                throw error
            }
            return deadline
        }
        result.closureResult.lift()
        return Outcome(status: result.terminationStatus.shellCode, output: "", error: result.standardError)
    }

    /// Runs the command as the leader of a session whose terminal is `terminal`, and `body` beside it, which is given its
    /// process id. Returns its exit status.
    func run(in terminal: FileDescriptor, while body: (pid_t) async throws -> Void) async throws -> Int32 {
        let result = try await Subprocess.run(
            // setsid becomes the command.
            .name("setsid"), arguments: Arguments(["--ctty", executable] + arguments), environment: environment,
            input: .fileDescriptor(terminal, closeAfterSpawningProcess: false),
            output: .fileDescriptor(terminal, closeAfterSpawningProcess: false),
            error: .fileDescriptor(terminal, closeAfterSpawningProcess: false)
        ) { execution in
            let pid = execution.processIdentifier.value
            let deadline = Deadline(pid, Self.patience)
            do { try await body(pid) } catch {
                kill(pid, SIGTERM)
                throw error
            }
            return deadline
        }
        result.closureResult.lift()
        return result.terminationStatus.shellCode
    }
}

/// The lines of an output, one at a time.
actor LineReader {
    private var iterator: SubprocessOutputSequence.StringSequence<UTF8>.AsyncIterator

    init(_ output: SubprocessOutputSequence) { iterator = output.strings().makeAsyncIterator() }

    func next() async throws -> String? {
        var current = iterator
        defer { iterator = current }
        return try await current.next(isolation: self)
    }
}

/// Ends a process that takes too long, and says so.
private struct Deadline {
    private let task: Task<Void, any Error>

    init(_ pid: pid_t, _ duration: Duration) {
        task = Task {
            try await Task.sleep(for: duration)
            Issue.record("a command did not end within \(duration)")
            kill(pid, SIGKILL)
        }
    }

    func lift() { task.cancel() }
}

extension TerminationStatus {
    fileprivate var shellCode: Int32 {
        switch self {
        case .exited(let code): code
        case .signaled(let signal): 128 + signal
        }
    }
}
