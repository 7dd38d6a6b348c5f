import LinuxSystem

/// The socket between a gateway and an interceptor: unix, SOCK_SEQPACKET, one message each way a packet.
///
/// The interceptor finds its end open under the number ``inheritedNumber``. It is sent ``InterceptionOrder/configure(_:)``
/// first, with a file of ``SecretValues`` where it has secrets, and answers ``InterceptionEvent/ready(_:)`` or ``InterceptionEvent/failed(_:)``. Then a connection follows the
/// other, each message with two sockets: the guest's, the server's. It ends when the other end is closed.
public struct InterceptionSocket: Sendable {
    /// The descriptor that an interceptor finds open when it starts.
    public static let inheritedNumber: Int32 = 3

    /// The socket itself; readable when there is a message, and when the other end is gone.
    public let descriptor: Descriptor

    /// Speaks over a connected socket.
    public init(_ descriptor: Descriptor) { self.descriptor = descriptor }

    /// A connected pair: the gateway's end, and the one that the interceptor inherits.
    public static func pair() throws(SystemError) -> (gateway: InterceptionSocket, interceptor: Descriptor) {
        let (own, other) = try Descriptor.socketPair(keepsMessages: true)
        return (InterceptionSocket(own), other)
    }

    // MARK: The gateway's side

    /// Sends the configuration, with the values of its secrets where it has any.
    public func configure(
        _ configuration: InterceptionConfiguration, values: Descriptor? = nil, waits: Bool = true
    ) throws {
        try configuration.check()
        let message = try InterceptionMessage.encoded(.configure(configuration))
        guard message.count <= InterceptionMessage.longestOrder else { throw InterceptionError.tooLong }
        let passed = [values].compactMap { $0 }
        guard passed.count == Self.passed(with: configuration) else {
            throw InterceptionError.wrongDescriptors(passed.count)
        }
        try message.withUnsafeBytes { try descriptor.sendMessage($0, passing: passed, waits: waits) }
    }

    /// How many files come with a configuration.
    private static func passed(with configuration: InterceptionConfiguration) -> Int {
        configuration.secrets.isEmpty ? 0 : 1
    }

    /// Hands over a connection. Both sockets may be closed by the caller afterwards; its own end of `guest`, the other one
    /// of that pair, is where it goes on relaying.
    /// - Throws: `SystemError` with `EAGAIN` when the interceptor is behind and `waits` is false.
    public func hand(
        _ connection: ConnectionOrder, guest: Descriptor, server: Descriptor, waits: Bool = false
    ) throws {
        let message = try InterceptionMessage.encoded(.connection(connection))
        guard message.count <= InterceptionMessage.longestOrder else { throw InterceptionError.tooLong }
        try message.withUnsafeBytes { try descriptor.sendMessage($0, passing: [guest, server], waits: waits) }
    }

    /// The next event; `nil` when the interceptor is gone.
    /// - Throws: `SystemError` with `EAGAIN` when there is none and `waits` is false; ``InterceptionError`` when what came
    ///   is none, after which the socket is of no use.
    public func nextEvent(waits: Bool = false) throws -> InterceptionEvent? {
        try withUnsafeTemporaryAllocation(byteCount: InterceptionMessage.longestEvent, alignment: 1) { buffer in
            let message = try descriptor.receiveMessage(into: buffer, waits: waits)
            guard message.count > 0 else { return nil }
            guard message.descriptors.isEmpty else {
                throw InterceptionError.wrongDescriptors(message.descriptors.count)
            }
            return try InterceptionMessage.event(UnsafeRawBufferPointer(rebasing: buffer[..<message.count]))
        }
    }

    // MARK: The interceptor's side

    /// Waits for an order.
    /// - Parameter buffer: room for the longest.
    /// - Returns: the order, with its sockets or the values of its secrets; `nil` when the gateway is gone.
    public func nextOrder(
        using buffer: UnsafeMutableRawBufferPointer
    ) throws -> (order: InterceptionOrder, passed: [Descriptor])? {
        let message = try descriptor.receiveMessage(into: buffer, waits: true)
        guard message.count > 0 else { return nil }
        let order = try InterceptionMessage.order(UnsafeRawBufferPointer(rebasing: buffer[..<message.count]))
        let expected = if case .configure(let configuration) = order { Self.passed(with: configuration) } else { 2 }
        guard message.descriptors.count == expected else {
            throw InterceptionError.wrongDescriptors(message.descriptors.count)
        }
        return (order, message.descriptors)
    }

    /// Says something to the gateway.
    public func say(_ event: InterceptionEvent, waits: Bool) throws {
        try InterceptionMessage.encoded(event).withUnsafeBytes { try descriptor.sendMessage($0, waits: waits) }
    }
}
