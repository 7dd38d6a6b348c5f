/// What a descriptor is to an engine: whoever thaws a frozen one gives it another of the same use.
enum EngineRole: Hashable, Sendable {
    /// The console's, the agent's and the control channel's end of a socket.
    case console, agent, control
    /// The network device's end of a socket.
    case network
    /// Standard input and standard error.
    case input, messages
    /// The host's random numbers.
    case random
    /// The machine's memory.
    case memory
    /// A disk, by its place.
    case disk(Int)
    /// A file that is free to be part of a disk.
    case slot(Int)
    /// What only the start needed.
    case unused

    /// As it is written down.
    var text: String {
        switch self {
        case .disk(let index): "disk \(index)"
        case .slot(let index): "slot \(index)"
        case .console: "console"
        case .agent: "agent"
        case .control: "control"
        case .network: "network"
        case .input: "input"
        case .messages: "messages"
        case .random: "random"
        case .memory: "memory"
        case .unused: "unused"
        }
    }

    /// Reads ``text``.
    init?(words: ArraySlice<Substring>) {
        let number = words.count == 2 ? words.last.flatMap { Int($0) } : nil
        switch (words.first, number) {
        case ("disk", let index?): self = .disk(index)
        case ("slot", let index?): self = .slot(index)
        case ("console", nil): self = .console
        case ("agent", nil): self = .agent
        case ("control", nil): self = .control
        case ("network", nil): self = .network
        case ("input", nil): self = .input
        case ("messages", nil): self = .messages
        case ("random", nil): self = .random
        case ("memory", nil): self = .memory
        case ("unused", nil): self = .unused
        default: return nil
        }
    }
}
