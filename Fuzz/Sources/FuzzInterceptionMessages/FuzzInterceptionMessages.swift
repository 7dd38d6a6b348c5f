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
    if let (order, values) = try? InterceptionMessage.order(input) {
        precondition(values.upperBound <= count, "values beyond the end")
        guard var written = try? InterceptionMessage.encoded(order) else { return 0 }
        written.append(0)
        written += input[values]
        guard written.count <= InterceptionMessage.longestOrder else { return 0 }
        let again = try? written.withUnsafeBytes { try InterceptionMessage.order($0).order }
        precondition(again == order, "an order changed")
    }
    return 0
}
