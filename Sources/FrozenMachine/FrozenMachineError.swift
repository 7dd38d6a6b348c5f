import Engine
import LinuxSystem

/// Why a machine cannot be frozen in use, or does not go on.
public enum FrozenMachineError: Error, Sendable, CustomStringConvertible {
    /// A file could not be read or written.
    case system(SystemError)
    /// The engine did not do its part.
    case engine(EngineError)
    /// What is on the disk is not a frozen machine.
    case damaged(String, String)

    /// What was attempted, why it failed and what to do, in one line.
    public var description: String {
        switch self {
        case .system(let error): "cannot freeze the machine: \(error)"
        case .engine(let error): "cannot freeze the machine: \(error)"
        case .damaged(let path, let reason): "the frozen machine in \(path) is damaged: \(reason); remove it"
        }
    }

    init(_ error: any Error) {
        self =
            switch error {
            case let error as FrozenMachineError: error
            case let error as EngineError: .engine(error)
            case let error as SystemError: .system(error)
            default: .damaged("", "\(error)")
            }
    }
}
