import TrafficInspection

/// Follows a client of TLS. What is seen and what passes must not depend on the pieces in which its bytes come; the first
/// byte of the input says how large they are.
@c(LLVMFuzzerTestOneInput)
public func fuzzClientHello(_ bytes: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
    let input = Array(UnsafeBufferPointer(start: bytes, count: count))
    guard let size = input.first else { return 0 }
    let stream = Array(input.dropFirst())
    let (whole, pieces) = (follow(stream, stream.count), follow(stream, Int(size) + 1))
    precondition(whole.hellos == pieces.hellos && whole.passed == pieces.passed, "it depends on the pieces")
    if whole.last != pieces.last { preconditionFailure("it depends on the pieces: \(whole.last), \(pieces.last)") }
    precondition(whole.hellos.count <= 2, "a third hello")
    for hello in whole.hellos { _ = hello.serverName }
    return 0
}

private func follow(
    _ bytes: [UInt8], _ size: Int
) -> (hellos: [ClientHello], passed: Int, last: TLSClientTracker.Step) {
    var tracker = TLSClientTracker()
    var (start, end, hellos) = (0, 0, [ClientHello]())
    var last = TLSClientTracker.Step.needMore
    while end < bytes.count {
        end = min(end + size, bytes.count)
        loop: while true {
            last = tracker.next(bytes.span.extracting(start..<end))
            switch last {
            case .pass(let count):
                precondition(count > 0 && count <= end - start, "more passes than there is")
                start += count
            case .hello(let hello, let count):
                precondition(count > 0 && count <= end - start, "more passes than there is")
                hellos.append(hello)
                start += count
            case .needMore, .opaque, .malformed: break loop
            }
        }
    }
    _ = FirstBytes.classify(bytes.span)
    return (hellos, start, last)
}
