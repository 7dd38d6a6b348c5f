import LinuxSystem

/// Why a snapshot could not go out or come in.
public enum SnapshotArchiveError: Error, Sendable, CustomStringConvertible {
    /// The system refused something.
    case system(SystemError)
    /// The archive is none, or not whole any more.
    case damaged(String)
    /// The archive is whole and asks for what is not taken: why.
    case refused(String)
    /// What is to go out is not a snapshot any more, or cannot go out: why.
    case unfit(String)

    /// One line: what was attempted and why it failed.
    public var description: String {
        switch self {
        case .system(let error): error.description
        case .damaged(let reason): "the archive is damaged: \(reason); copy or make it again"
        case .refused(let reason), .unfit(let reason): reason
        }
    }
}
