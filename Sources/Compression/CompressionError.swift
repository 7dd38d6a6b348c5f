import LinuxSystem

/// Why bytes could not be read or decompressed.
public enum CompressionError: Error, Equatable, Sendable, CustomStringConvertible {
    /// The system refused a read.
    case system(SystemError)
    /// What is called `name` is not what its first bytes say, ends too early, or is compressed in a way that is not
    /// understood.
    case damaged(_ name: String, reason: String)
    /// The zstd stream called `name` wants more memory than 2 to the power of `windowLog` bytes.
    case windowTooLarge(_ name: String, windowLog: Int32)
    /// Whoever gives the bytes stopped, for a reason of its own.
    case stopped

    /// One line: what was read and why that failed.
    public var description: String {
        switch self {
        case .system(let error): "\(error)"
        case .damaged(let name, let reason): "\(name) is damaged: \(reason)"
        case .windowTooLarge(let name, let windowLog): "the window of \(name) is larger than 2^\(windowLog) bytes"
        case .stopped: "stopped"
        }
    }
}
