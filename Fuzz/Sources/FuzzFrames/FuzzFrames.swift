import AgentProtocol

/// Cuts bytes into frames and reads them as either side does. A frame must be written as it came, a message must mean the
/// same after being written and read.
@c(LLVMFuzzerTestOneInput)
public func fuzzFrames(_ bytes: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
    let wire = UnsafeBufferPointer(start: bytes, count: count)
    let whole = frames(wire, step: max(1, count))
    precondition(whole == frames(wire, step: 5), "pieces make other frames than the whole")
    precondition(whole.flatMap(\.encoded).elementsEqual(wire.prefix(whole.reduce(0) { $0 + $1.encoded.count })))
    for frame in whole {
        if let message = try? HostMessage(frame) {
            precondition((try? HostMessage(message.frame())) == message, "a message of the host changed")
        }
        if let message = try? GuestMessage(frame) {
            precondition((try? GuestMessage(message.frame())) == message, "a message of the guest changed")
        }
    }
    return 0
}

/// The frames before the first malformed header.
private func frames(_ wire: UnsafeBufferPointer<UInt8>, step: Int) -> [Frame] {
    var decoder = FrameDecoder()
    var frames: [Frame] = []
    for start in stride(from: 0, to: wire.count, by: step) {
        decoder.append(wire[start..<min(start + step, wire.count)])
        do { while let frame = try decoder.next() { frames.append(frame) } } catch { break }
        precondition(decoder.buffered < FrameHeader.size + FrameHeader.maximumPayload, "more than a frame is held")
    }
    return frames
}
