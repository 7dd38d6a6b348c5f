import AgentProtocol

/// One process of a sandbox on the control socket of its supervisor.
///
/// The process lives as long as somebody holds this object, and is killed with it.
final class ProcessStream: Sendable {
    let state: State
    private let connection: Connection

    /// What the connection knows of the process.
    final class State: Sendable {
        let number: UInt32
        let started = Eventual<UInt32>()
        let exit = Eventual<AgentProtocol.ExitStatus>()
        let output, error: OutputQueue
        let input = InputWindow()

        init(_ number: UInt32, send: @escaping @Sendable (HostMessage) -> Void) {
            self.number = number
            output = OutputQueue { send(.credit(stream: number, .output, $0)) }
            error = OutputQueue { send(.credit(stream: number, .error, $0)) }
        }

        /// Takes a message about the process. Whether it was the last.
        func receive(_ message: GuestMessage) -> Bool {
            switch message {
            case .started(_, let pid): started.settle(.success(pid))
            case .data(_, .error, let bytes): error.receive(bytes)
            case .data(_, _, let bytes): output.receive(bytes)
            case .end(_, .error): error.finish()
            case .end: output.finish()
            case .credit(_, let count): input.add(Int(count))
            case .failed(_, let failure):
                end(.failure(SandpiperError(failure)), outputs: .success(()))
                return true
            case .exited(_, let status):
                end(.success(status), outputs: .success(()))
                return true
            default: break
            }
            return false
        }

        /// Nothing more comes of the process.
        func end(_ result: Result<AgentProtocol.ExitStatus, any Error>, outputs: Result<Void, any Error>) {
            input.close(SandpiperError.inputClosed)
            output.finish(outputs)
            error.finish(outputs)
            if case .failure(let failure) = result { started.settle(.failure(failure)) }
            exit.settle(result)
        }
    }

    /// Starts a process.
    init(_ specification: ProcessSpecification, on connection: Connection) throws {
        self.connection = connection
        state = try connection.start(specification)
    }

    deinit {
        guard state.exit.settled == nil else { return }
        kill()
        state.output.discard()
        state.error.discard()
    }

    /// Kills the process group, without waiting for its end.
    func kill() { send(.signal(stream: state.number, 9)) }

    /// Sends a message about the process, unless it has ended.
    func send(_ message: HostMessage) {
        if state.exit.settled == nil { connection.send(message) }
    }

    /// Sends bytes to stdin as it takes them.
    func write(_ bytes: some Sequence<UInt8> & Sendable) async throws {
        var rest = Array(bytes)[...]
        while !rest.isEmpty {
            let portion = try await state.input.portion()
            let piece = rest.prefix(portion)
            rest = rest.dropFirst(piece.count)
            if piece.count < portion { state.input.add(portion - piece.count) }
            send(.data(stream: state.number, Array(piece)))
        }
    }

    /// Ends stdin.
    func closeInput() {
        if state.input.close(SandpiperError.inputClosed) { send(.end(stream: state.number)) }
    }

    /// Waits for the end of the process; kills it when the waiting task is cancelled.
    var exitStatus: AgentProtocol.ExitStatus {
        get async throws {
            try await withTaskCancellationHandler {
                try await state.exit.value
            } onCancel: {
                kill()
            }
        }
    }
}
