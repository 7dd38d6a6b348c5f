import Glibc
import LinuxSystem
import Synchronization

/// Writes one output of the process to a descriptor of the command, on a thread of its own: a reader that does not read
/// stops this output and nothing else. What is queued is bounded by the credit that was given for it.
final class OutputWriter: Sendable {
    private struct State {
        var queue: [[UInt8]] = []
        var isWriting = false
        var written = 0
        var failure: SystemError?
    }

    private let state = Mutex(State())
    private let work: EventDescriptor
    private let progress: EventDescriptor
    private let target: Descriptor

    /// Starts the thread.
    /// - Parameter progress: raised after every write, and after a failure.
    init(to number: Int32, progress: EventDescriptor) throws {
        target = try Descriptor(duplicating: number)
        work = try EventDescriptor(blocking: true)
        self.progress = progress
        try DedicatedThread.start { [self] in writeForever() }
    }

    /// Queues bytes.
    func write(_ bytes: [UInt8]) {
        state.withLock { $0.queue.append(bytes) }
        work.signal()
    }

    /// Bytes written since the last call, to be given back as credit; 0 while they are fewer than `portion`.
    func takeWritten(atLeast portion: Int) -> Int {
        state.withLock { state in
            guard state.written >= portion else { return 0 }
            defer { state.written = 0 }
            return state.written
        }
    }

    /// Whether all that was queued is written, or can never be.
    var isDone: Bool { state.withLock { $0.queue.isEmpty && !$0.isWriting || $0.failure != nil } }

    /// Why nothing more can be written; `EPIPE` when the reader has gone.
    var failure: SystemError? { state.withLock { $0.failure } }

    private func writeForever() {
        while true {
            work.reset()
            while let bytes = next() {
                do {
                    try target.write(bytes)
                    state.withLock { state in
                        state.written += bytes.count
                        state.isWriting = false
                    }
                } catch {
                    state.withLock { $0.failure = error }
                    progress.signal()
                    return
                }
                progress.signal()
            }
        }
    }

    private func next() -> [UInt8]? {
        state.withLock { state in
            guard !state.queue.isEmpty else { return nil }
            state.isWriting = true
            return state.queue.removeFirst()
        }
    }
}
