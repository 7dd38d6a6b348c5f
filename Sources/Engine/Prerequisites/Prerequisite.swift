/// Something that machines need of the host, as it was found.
public struct Prerequisite: Sendable, Equatable {
    /// How much of it there is.
    public enum State: String, Sendable {
        /// All that is wanted.
        case good
        /// Machines run without it, slower or with one wall less.
        case lacking
        /// No machine runs without it.
        case missing
    }

    /// What it is, in a word or two.
    public var name: String
    /// How much of it there is.
    public var state: State
    /// What was found, in one line.
    public var finding: String
    /// What the user can do, in one line; `nil` when nothing needs doing.
    public var cure: String?

    /// Something that machines need.
    public init(_ name: String, _ state: State, _ finding: String, cure: String? = nil) {
        self.name = name
        self.state = state
        self.finding = finding
        self.cure = cure
    }
}
