/// Why a process could not be frozen.
public struct CheckpointError: Error, Equatable, Sendable, CustomStringConvertible {
    /// One line.
    public let description: String

    init(_ description: String) { self.description = "freeze a process: \(description)" }
}
