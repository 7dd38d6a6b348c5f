import InterceptionProtocol

/// Reads messages between a gateway and an interceptor, which speaks with guests and is not to be trusted by the gateway.
/// What was read must be the same when it is written and read again.
@c(LLVMFuzzerTestOneInput)
public func fuzzInterceptionMessages(_ bytes: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
    let input = UnsafeRawBufferPointer(UnsafeBufferPointer(start: bytes, count: count))
    if let event = try? InterceptionMessage.event(input), let written = try? InterceptionMessage.encoded(event) {
        let again = try? written.withUnsafeBytes { try InterceptionMessage.event($0) }
        precondition(again == event, "an event changed")
    }
    if let order = try? InterceptionMessage.order(input), let written = try? InterceptionMessage.encoded(order) {
        guard written.count <= InterceptionMessage.longestOrder else { return 0 }
        let again = try? written.withUnsafeBytes { try InterceptionMessage.order($0) }
        precondition(again == order, "an order changed")
    }
    return 0
}
