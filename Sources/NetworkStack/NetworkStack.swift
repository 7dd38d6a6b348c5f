import NetworkAddress

public final class NetworkStack {
    public init(_ configuration: StackConfiguration, output: any FrameOutput) {}
    public var forwardedRanges: [AddressRange] = []
    public func receive(_ frame: UnsafeRawBufferPointer, at now: Instant) {}
    public func advance(to now: Instant) {}
    public var deadline: Instant? { nil }
    public func nextEvent() -> StackEvent? { nil }
    public func outputReady(at now: Instant) {}
    public func accept(_ id: ConnectionID, at now: Instant) {}
    public func refuse(_ id: ConnectionID, _ reason: Refusal, at now: Instant) {}
    public func connect(from: Endpoint, to: Endpoint, at now: Instant) -> ConnectionID? { nil }
    public func read(_ id: ConnectionID, at now: Instant, _ body: (UnsafeRawBufferPointer) throws -> Int) rethrows -> Int { 0 }
    public func readableCount(_ id: ConnectionID) -> Int { 0 }
    public func writableCount(_ id: ConnectionID) -> Int { 0 }
    @discardableResult
    public func write(_ id: ConnectionID, at now: Instant, _ body: (UnsafeMutableRawBufferPointer) throws -> Int) rethrows -> Int { 0 }
    @discardableResult
    public func write(_ id: ConnectionID, _ bytes: some Collection<UInt8>, at now: Instant) -> Int { 0 }
    public func finish(_ id: ConnectionID, at now: Instant) {}
    public func abort(_ id: ConnectionID, at now: Instant) {}
    public func setKeepAlive(_ id: ConnectionID, idle: UInt64?, interval: UInt64, count: Int, at now: Instant) {}
    public func endpoints(_ id: ConnectionID) -> (guest: Endpoint, peer: Endpoint)? { nil }
    public var connectionCount: Int { 0 }
    public var omittedRefusals: Int { 0 }
    @discardableResult
    public func sendDatagram(from: Endpoint, to: Endpoint, _ payload: UnsafeRawBufferPointer, at now: Instant) -> Bool { false }
    public func sendEchoReply(_ request: EchoRequest, payload: UnsafeRawBufferPointer, at now: Instant) {}
    public func refuse(_ datagram: Datagram, _ reason: Refusal, at now: Instant) {}
    public func refuse(_ request: EchoRequest, _ reason: Refusal, at now: Instant) {}
    @discardableResult
    public func sendPacket(_ packet: UnsafeRawBufferPointer, at now: Instant) -> Bool { false }
}
