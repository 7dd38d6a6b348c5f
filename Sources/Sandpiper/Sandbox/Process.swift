import AgentProtocol

extension Sandbox {
    /// A process that runs in a sandbox, with its streams.
    ///
    /// It is killed, and all of its process group, when the last of its values (the process and its outputs) is gone, and
    /// when a task that waits for ``exitStatus`` is cancelled.
    ///
    /// ```swift
    /// let process = try await sandbox.process(["sh", "-c", "while read line; do echo got $line; done"], takesInput: true)
    /// try await process.write("hello\n")
    /// process.closeInput()
    /// for try await piece in process.standardOutput { print(String(decoding: piece, as: UTF8.self), terminator: "") }
    /// print(try await process.exitStatus)
    /// ```
    ///
    /// Like a pipe, an output that nobody reads holds the process up when it is full (after 512 KiB here). Call
    /// ``ProcessOutput/discard()`` on one that is of no interest.
    public struct Process: Sendable {
        /// Its process id in the sandbox.
        public let pid: UInt32
        /// What it writes to stdout; with a terminal all that it writes.
        public let standardOutput: ProcessOutput
        /// What it writes to stderr.
        public let standardError: ProcessOutput

        let stream: ProcessStream

        init(_ stream: ProcessStream) async throws {
            self.stream = stream
            standardOutput = ProcessOutput(stream: stream, queue: stream.state.output)
            standardError = ProcessOutput(stream: stream, queue: stream.state.error)
            // Who does not want to wait any more does not want the process either: it goes with `stream`.
            pid = try await stream.state.started.value
        }

        /// Writes to stdin; waits as long as the process does not take it. Only for a process with `takesInput`.
        ///
        /// Two writes at the same time mix their bytes.
        /// - Throws: ``SandpiperError/inputClosed`` when the process has ended or its input was closed,
        ///   `CancellationError`; then some of the bytes may have been written.
        public func write(_ bytes: some Sequence<UInt8> & Sendable) async throws { try await stream.write(bytes) }

        /// Writes text to stdin in UTF-8, as ``write(_:)-(Sequence<UInt8>)`` does.
        public func write(_ text: String) async throws { try await stream.write(Array(text.utf8)) }

        /// Ends stdin, after what was written.
        public func closeInput() { stream.closeInput() }

        /// Sends a signal to its process group. Nothing happens when it has ended.
        /// - Parameter number: Linux's number of the signal, 1...64.
        /// - Throws: ``SandpiperError/invalidArgument(_:)``.
        public func signal(_ number: Int32) throws {
            guard let number = UInt8(exactly: number), (1...64).contains(number) else {
                throw SandpiperError.invalidArgument("\(number) is not a signal: choose 1 to 64")
            }
            stream.send(.signal(stream: stream.state.number, number))
        }

        /// Kills its process group.
        public func kill() { stream.kill() }

        /// Gives its terminal another size.
        public func resize(rows: UInt16, columns: UInt16) {
            stream.send(.resize(stream: stream.state.number, TerminalSize(rows: rows, columns: columns)))
        }

        /// Waits for its end. An output that is full and not read keeps it from ending.
        ///
        /// When the waiting task is cancelled, the process is killed.
        /// - Throws: ``SandpiperError/ended(sandbox:reason:)`` when the sandbox ends first, `CancellationError`.
        public var exitStatus: ExitStatus {
            get async throws { ExitStatus(try await stream.exitStatus) }
        }
    }

    /// What a process writes, as it comes: pieces of 1 to 65,536 bytes.
    ///
    /// The process is held up while nobody reads. Pieces that were taken do not come again: with several readers, each
    /// gets some of them.
    public struct ProcessOutput: AsyncSequence, Sendable {
        // The process lives as long as somebody can read what it writes.
        fileprivate let stream: ProcessStream
        fileprivate let queue: OutputQueue

        /// Takes the pieces.
        public struct AsyncIterator: AsyncIteratorProtocol {
            fileprivate let output: ProcessOutput

            /// The next piece; `nil` at the end.
            /// - Throws: ``SandpiperError/ended(sandbox:reason:)`` when the sandbox ends first, `CancellationError`.
            public func next() async throws -> [UInt8]? { try await output.queue.next() }
        }

        /// Throws away what was not read, and what is still to come.
        public func discard() { queue.discard() }

        /// Goes on where others have stopped.
        public func makeAsyncIterator() -> AsyncIterator { AsyncIterator(output: self) }
    }

    /// How a process ended.
    public enum ExitStatus: Sendable, Hashable, CustomStringConvertible {
        /// It ended with this code, 0...255.
        case exited(Int)
        /// This signal ended it.
        case signalled(Int)
        /// It was killed because its time was over.
        case timedOut

        init(_ status: AgentProtocol.ExitStatus) {
            self =
                switch status.cause {
                case _ where status.timedOut: .timedOut
                case .code(let code): .exited(Int(code))
                case .signal(let signal): .signalled(Int(signal))
                }
        }

        /// Whether it ended with code 0.
        public var isSuccess: Bool { self == .exited(0) }

        /// What a shell would report: the code, 128 plus the signal, or 124 after a time-out.
        public var code: Int {
            switch self {
            case .exited(let code): code
            case .signalled(let signal): 128 + signal
            case .timedOut: 124
            }
        }

        /// For example `exit code 1`.
        public var description: String {
            switch self {
            case .exited(let code): "exit code \(code)"
            case .signalled(let signal): "ended by signal \(signal)"
            case .timedOut: "killed after its time was over"
            }
        }
    }

    /// What a process wrote and how it ended.
    public struct Output: Sendable {
        /// What it wrote to stdout.
        public var standardOutput: Bytes
        /// What it wrote to stderr.
        public var standardError: Bytes
        /// How it ended.
        public var exitStatus: ExitStatus
    }

    /// Bytes, mostly of text.
    public struct Bytes: Sendable, Hashable, CustomStringConvertible {
        /// The bytes.
        public var bytes: [UInt8]

        /// Wraps bytes.
        public init(_ bytes: [UInt8]) { self.bytes = bytes }

        /// The bytes as UTF-8; what is not is shown as `U+FFFD`.
        public var text: String { String(decoding: bytes, as: UTF8.self) }

        /// The text.
        public var description: String { text }
    }
}
