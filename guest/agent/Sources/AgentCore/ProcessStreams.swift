import AgentProtocol
import Glibc

/// The pipes or the terminal between the agent and one process.
struct ProcessStreams {
    /// What becomes the process's 0, 1 and 2; closed here once the process has them.
    let child: (input: Descriptor, output: Descriptor, error: Descriptor)
    let input: InputSink
    let outputs: [OutputSource]
    let terminal: Descriptor?

    /// Opens what the specification asks for.
    /// - Parameter owner: user that may open the streams again, by `/dev/stdout` and the like.
    init(
        _ specification: ProcessSpecification, stream: UInt32, owner: UInt32, null: Descriptor, terminals: Descriptor,
        loop: EventLoop
    ) throws(AgentError) {
        if let size = specification.terminal {
            let terminal = try Terminal(in: terminals, size: size, owner: owner)
            child = (terminal.peer, terminal.peer, terminal.peer)
            self.terminal = terminal.master
            // Closing is left to the last owner: the same descriptor carries the output.
            input = InputSink(specification.takesInput ? terminal.master : nil, isTerminal: true) { _ in }
            outputs = [OutputSource(terminal.master, channel: .output, stream: stream, isTerminal: true)]
            return
        }
        terminal = nil
        let output = try Descriptor.pipe()
        let error = try Descriptor.pipe()
        // A process that writes much is stopped less often; each stop costs an emulated processor all it knows of memory.
        _ = output.writing.setPipeSize(1 << 18)
        var ends = [output.writing, error.writing]
        if specification.takesInput {
            let (reading, writing) = try Descriptor.pipe(nonblocking: .writing)
            child = (reading, output.writing, error.writing)
            ends.append(reading)
            input = InputSink(writing, isTerminal: false) { [unowned loop] in loop.forget($0) }
        } else {
            child = (null, output.writing, error.writing)
            input = InputSink(nil, isTerminal: false) { _ in }
        }
        outputs = [
            OutputSource(output.reading, channel: .output, stream: stream, isTerminal: false),
            OutputSource(error.reading, channel: .error, stream: stream, isTerminal: false),
        ]
        for end in ends {
            try AgentError.check("give a pipe to its user") { fchown(end.number, owner, .max) }
        }
    }
}
