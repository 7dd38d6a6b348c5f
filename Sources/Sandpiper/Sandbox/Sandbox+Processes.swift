import AgentProtocol
import Control
import ControlClient
import SandboxState

extension Sandbox {
    /// How much longer than its time a process may take until it is given up: the sandbox keeps the time itself, and a
    /// hostile one might not.
    private static let timeoutGrace = Duration.seconds(5)

    /// Runs a process to its end and returns what it wrote.
    ///
    /// When the task is cancelled, the process is killed.
    /// - Parameters:
    ///   - arguments: the program, looked up in the sandbox's `PATH`, and its arguments.
    ///   - environment: variables over those of the sandbox.
    ///   - workingDirectory: an absolute path that is there; `nil` for the sandbox's own.
    ///   - user: `USER[:GROUP]`, names or numbers; `nil` for the sandbox's own.
    ///   - input: what stdin is; `nil` for nothing.
    ///   - timeout: after this time the process and all that it started are killed.
    ///   - outputLimit: most bytes of stdout and of stderr, each.
    /// - Throws: ``SandpiperError``: ``SandpiperError/startFailed(code:reason:)``,
    ///   ``SandpiperError/timedOut(_:)``, ``SandpiperError/outputTooLong(limit:)``,
    ///   ``SandpiperError/ended(sandbox:reason:)``, ``SandpiperError/notRunning(sandbox:state:reason:)`` among others;
    ///   `CancellationError`. An exit code other than 0 is no error.
    public func exec(
        _ arguments: [String], environment: [String: String] = [:], workingDirectory: String? = nil,
        user: String? = nil, input: [UInt8]? = nil, timeout: Duration? = nil, outputLimit: Int = 64 << 20
    ) async throws -> Output {
        let process = try await process(
            arguments, environment: environment, workingDirectory: workingDirectory, user: user,
            takesInput: input != nil, timeout: timeout)
        let output = Collected(limit: outputLimit)
        let error = Collected(limit: outputLimit)
        let status = try await withThrowingTaskGroup(of: ExitStatus?.self) { tasks in
            tasks.addTask { try await output.collect(process.standardOutput) }
            tasks.addTask { try await error.collect(process.standardError) }
            if let input {
                tasks.addTask {
                    // A process need not read all that it is given.
                    do { try await process.write(input) } catch SandpiperError.inputClosed {}
                    process.closeInput()
                    return nil
                }
            }
            if let timeout {
                tasks.addTask {
                    try await Task.sleep(for: timeout + Self.timeoutGrace)
                    return .timedOut
                }
            }
            tasks.addTask { try await process.exitStatus }
            // Whoever throws cancels the one that waits for the end, and that kills the process.
            defer { tasks.cancelAll() }
            var status: ExitStatus?
            var others = input == nil ? 2 : 3
            while let result = try await tasks.next() {
                if let result { status = result } else { others -= 1 }
                if let status, others == 0 || status == .timedOut { return status }
            }
            throw CancellationError()
        }
        let result = Output(
            standardOutput: Bytes(await output.bytes), standardError: Bytes(await error.bytes), exitStatus: status)
        if status == .timedOut { throw SandpiperError.timedOut(result) }
        return result
    }

    /// Starts a process and returns it while it runs.
    /// - Parameters:
    ///   - arguments: the program, looked up in the sandbox's `PATH`, and its arguments.
    ///   - environment: variables over those of the sandbox.
    ///   - workingDirectory: an absolute path that is there; `nil` for the sandbox's own.
    ///   - user: `USER[:GROUP]`, names or numbers; `nil` for the sandbox's own.
    ///   - takesInput: whether ``Process/write(_:)-(String)`` reaches its stdin, which otherwise is empty.
    ///   - terminal: rows and columns of a terminal that it gets for stdin, stdout and stderr; `nil` for pipes.
    ///   - timeout: after this time the process and all that it started are killed.
    /// - Throws: ``SandpiperError``: ``SandpiperError/startFailed(code:reason:)``,
    ///   ``SandpiperError/notRunning(sandbox:state:reason:)`` among others; `CancellationError`.
    public func process(
        _ arguments: [String], environment: [String: String] = [:], workingDirectory: String? = nil,
        user: String? = nil, takesInput: Bool = false, terminal: (rows: UInt16, columns: UInt16)? = nil,
        timeout: Duration? = nil
    ) async throws -> Process {
        let specification = try specification(
            arguments, environment, workingDirectory, user, takesInput: takesInput || terminal != nil,
            hasTerminal: terminal != nil, timeout)
        let size = terminal.map { TerminalSize(rows: $0.rows, columns: $0.columns) }
        var process = size.map { specification.process(size: $0) } ?? specification.process()
        // One that the caller names is a mistake when it is missing; that of an image often is.
        process.makesWorkingDirectory = workingDirectory == nil
        return try await Process(try ProcessStream(process, on: try await connection()))
    }

    func specification(
        _ arguments: [String], _ environment: [String: String], _ workingDirectory: String?, _ user: String?,
        takesInput: Bool, hasTerminal: Bool, _ timeout: Duration?
    ) throws -> JobSpecification {
        guard arguments.first?.isEmpty == false else { throw SandpiperError.invalidArgument("no program is named") }
        guard workingDirectory?.hasPrefix("/") != false else {
            throw SandpiperError.invalidArgument("the working directory is not an absolute path")
        }
        try checkText(arguments + [workingDirectory, user].compactMap(\.self))
        let defaults = record.defaults
        return JobSpecification(
            arguments: arguments,
            environment: EnvironmentList.merged(
                (hasTerminal ? ["TERM=xterm"] : []) + defaults.environment + (try pairs(environment))),
            workingDirectory: workingDirectory ?? defaults.workingDirectory, user: user ?? defaults.user,
            terminal: hasTerminal, takesInput: takesInput,
            timeout: try timeout.map { UInt64(try milliseconds($0)) } ?? 0)
    }
}

/// An output that is kept in memory.
private actor Collected {
    private let limit: Int
    private(set) var bytes: [UInt8] = []

    init(limit: Int) { self.limit = limit }

    func collect(_ output: Sandbox.ProcessOutput) async throws -> Sandbox.ExitStatus? {
        for try await piece in output {
            guard bytes.count + piece.count <= limit else { throw SandpiperError.outputTooLong(limit: limit) }
            bytes += piece
        }
        return nil
    }
}
