/// What a frozen machine is told when it goes on.
public struct Thawing: Equatable, Sendable {
    /// Whether it is another machine than the one that was frozen, and has another identity.
    public var isNew: Bool
    /// Entropy and wall clock, and the identity of a new machine. All else of it does not count.
    public var configuration: MachineConfiguration

    /// A machine that goes on.
    public init(isNew: Bool, _ configuration: MachineConfiguration) {
        self.isNew = isNew
        self.configuration = configuration
    }

    init(decoding payload: [UInt8]) throws(ProtocolError) {
        guard let first = payload.first, first <= 1 else { throw .badField("boolean") }
        isNew = first == 1
        configuration = try MachineConfiguration(decoding: Array(payload.dropFirst()))
    }

    func encode(into writer: inout ByteWriter) {
        writer.boolean(isNew)
        configuration.encode(into: &writer)
    }
}
