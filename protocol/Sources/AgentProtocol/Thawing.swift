/// What a frozen machine is told when it goes on.
public struct Thawing: Equatable, Sendable {
    /// Whether it is another machine than the one that was frozen, and has another identity.
    public var isNew: Bool
    /// Whether what was outside of the machine is not there any more, so that connections to it are to end.
    public var isElsewhere: Bool
    /// Entropy and wall clock, and the identity of a new machine. All else of it does not count.
    public var configuration: MachineConfiguration

    /// A machine that goes on.
    public init(isNew: Bool, isElsewhere: Bool, _ configuration: MachineConfiguration) {
        self.isNew = isNew
        self.isElsewhere = isElsewhere
        self.configuration = configuration
    }

    init(decoding payload: [UInt8]) throws(ProtocolError) {
        guard let flags = payload.first, flags <= 3 else { throw .badField("flags") }
        isNew = flags & 1 != 0
        isElsewhere = flags & 2 != 0
        configuration = try MachineConfiguration(decoding: Array(payload.dropFirst()))
    }

    func encode(into writer: inout ByteWriter) {
        writer.unsigned8((isNew ? 1 : 0) | (isElsewhere ? 2 : 0))
        configuration.encode(into: &writer)
    }
}
