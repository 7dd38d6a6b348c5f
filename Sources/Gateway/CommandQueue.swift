import LinuxSystem
import Synchronization

/// What other threads want of the gateway's, in the order in which they asked.
final class CommandQueue: Sendable {
    typealias Command = @Sendable (GatewayLoop) -> Void

    /// Readable while something waits.
    let wakeup: EventDescriptor
    private let waiting = Mutex<(commands: [Command], isOver: Bool)>(([], false))

    /// - Throws: `SystemError`.
    init() throws(SystemError) { wakeup = try EventDescriptor() }

    /// Adds a command.
    /// - Returns: whether somebody will obey it.
    func add(_ command: @escaping Command) -> Bool {
        let isAdded = waiting.withLock { waiting in
            if !waiting.isOver { waiting.commands.append(command) }
            return !waiting.isOver
        }
        wakeup.signal()
        return isAdded
    }

    /// Takes all that wait.
    func take() -> [Command] {
        wakeup.reset()
        return waiting.withLock { waiting in
            defer { waiting.commands = [] }
            return waiting.commands
        }
    }

    /// Takes no more commands.
    /// - Returns: those that nobody has obeyed.
    func finish() -> [Command] {
        waiting.withLock { waiting in
            waiting.isOver = true
            defer { waiting.commands = [] }
            return waiting.commands
        }
    }
}
