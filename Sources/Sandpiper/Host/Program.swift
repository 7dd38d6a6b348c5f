import ControlClient
import ForeignText
import Glibc
import LinuxSystem
import Synchronization

/// Another executable of the installation, run to its end.
final class Program: Sendable {
    /// How a program ended.
    struct Ending: Sendable {
        /// Its exit status; 128 plus the signal that ended it.
        let status: Int32
        /// The last of what it said on stderr.
        let message: String
        /// What it said on stdout, up to ``mostOutput`` bytes.
        let output: [UInt8]
    }

    /// Most bytes of a program's messages that are kept.
    private static let mostMessages = 16_384

    /// Most bytes of a program's output that are read.
    private static let mostOutput = 1 << 20

    private enum State {
        case new, cancelled, running(pid_t), ended
    }

    private let state = Mutex(State.new)

    /// Runs a program and waits for its end; ends it with SIGTERM when the task is cancelled.
    /// - Throws: ``SandpiperError``, `CancellationError`.
    static func run(_ name: String, _ arguments: [String], on host: ResolvedHost) async throws -> Ending {
        let program = Program()
        return try await withTaskCancellationHandler {
            let ending = try await blocking { try program.run([host.installation.executable(name)] + arguments, host) }
            try Task.checkCancellation()
            return ending
        } onCancel: {
            program.terminate()
        }
    }

    private func run(_ arguments: [String], _ host: ResolvedHost) throws -> Ending {
        // A file, so that a program that says much does not wait for a reader.
        let output = try Descriptor.memory("output")
        let reading = try start(arguments, output, host)
        // The end of its stderr is the end of the program and of all that it started.
        let message = try Self.tail(reading)
        guard case .running(let pid) = state.withLock({ $0 }) else { throw CancellationError() }
        var info = siginfo_t()
        while waitid(P_PID, id_t(pid), &info, WEXITED | WNOWAIT) < 0 && errno == EINTR {}
        // From now on its number may be another's.
        state.withLock { $0 = .ended }
        var status: Int32 = 0
        while waitpid(pid, &status, 0) < 0 && errno == EINTR {}
        let signal = status & 0x7f
        return Ending(
            status: signal == 0 ? (status >> 8) & 0xff : 128 + signal, message: message,
            output: try output.reopened().readAll(limit: Self.mostOutput))
    }

    private func start(_ arguments: [String], _ output: Descriptor, _ host: ResolvedHost) throws -> Descriptor {
        let (reading, writing) = try Descriptor.pipe()
        let null = try Descriptor(opening: "/dev/null", O_RDWR)
        try state.withLock { state in
            if case .cancelled = state { throw CancellationError() }
            state = .running(
                try spawn(
                    arguments, [(null, 0), (output, 1), (writing, 2)], inNewSession: true,
                    environment: host.environment))
        }
        return reading
    }

    private func terminate() {
        state.withLock { state in
            switch state {
            case .new: state = .cancelled
            case .running(let pid): kill(pid, SIGTERM)
            case .cancelled, .ended: break
            }
        }
    }

    /// The last lines of what is written to a pipe.
    private static func tail(_ pipe: Descriptor) throws -> String {
        var kept: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 4096)
        while true {
            let count = try buffer.withUnsafeMutableBytes { try pipe.read(into: $0) }
            if count == 0 { break }
            kept = (kept + buffer[..<count]).suffix(mostMessages)
        }
        let lines = String(decoding: kept, as: UTF8.self).split(whereSeparator: \.isNewline).suffix(3)
        let text = lines.map { $0.hasPrefix("sandpiper: ") ? $0.dropFirst(11) : $0 }.joined(separator: "; ")
        return text.excerpt(1000)
    }
}
