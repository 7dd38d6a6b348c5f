import AgentProtocol

/// Lets two clients and a guest speak through a router in any order. The input is a list of frames, each with a byte before
/// it that says who sends it. Nobody may get more bytes than it gave credit for, or frames of a stream it did not start.
@c(LLVMFuzzerTestOneInput)
public func fuzzStreams(_ bytes: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
    var rest = UnsafeBufferPointer(start: bytes, count: count)[...]
    var conversation = Conversation()
    while let sender = rest.popFirst() {
        guard let header = try? FrameHeader(decoding: rest) else { return 0 }
        let payload = Array(rest.dropFirst(FrameHeader.size).prefix(header.length))
        rest = rest.dropFirst(FrameHeader.size + header.length)
        let frame = Frame(header.kind, channel: header.channel, stream: header.stream, payload: payload)
        switch sender % 4 {
        case 0: guard conversation.guestSends(frame) else { return 0 }
        case 1, 2: conversation.client(Int(sender % 4), sends: frame)
        default: conversation.leave(Int(sender >> 2 & 1) + 1)
        }
    }
    return 0
}

/// A router, and what is known of its streams from outside.
private struct Conversation {
    private struct Stream: Hashable {
        let client: Int
        let number: UInt32
    }

    private var router = StreamRouter()
    /// How much each client will still take on stdout and stderr of its streams.
    private var outputCredit: [Stream: [Channel: Int]] = [:]
    /// How much the guest will still take, by the router's number.
    private var inputCredit: [UInt32: Int] = [:]

    /// Whether the guest kept to the protocol; one that does not is not listened to again.
    mutating func guestSends(_ frame: Frame) -> Bool {
        guard let actions = try? router.receive(frame) else { return false }
        if case .credit(let stream, let count)? = try? GuestMessage(frame) { inputCredit[stream]? += Int(count) }
        actions.forEach { check($0) }
        return true
    }

    mutating func client(_ client: Int, sends frame: Frame) {
        guard let actions = try? router.receive(frame, from: client) else { return leave(client) }
        let stream = Stream(client: client, number: frame.stream)
        if case .credit(_, let channel, let count)? = try? HostMessage(frame) {
            outputCredit[stream]?[channel]? += Int(count)
        }
        for action in actions {
            if frame.kind == .start, case .toAgent(let started) = action {
                let initial = Int(FlowWindow.initial)
                outputCredit[stream] = [.output: initial, .error: initial]
                inputCredit[started.stream] = initial
            }
            check(action)
        }
    }

    mutating func leave(_ client: Int) {
        router.disconnect(client).forEach { check($0) }
        outputCredit = outputCredit.filter { $0.key.client != client }
    }

    private mutating func check(_ action: StreamRouter.Action) {
        switch action {
        case .toAgent(let frame):
            guard frame.kind == .data else { return }
            precondition(spend(frame.payload.count, from: &inputCredit[frame.stream]), "more than the guest will take")
        case .toClient(let client, let frame):
            let stream = Stream(client: client, number: frame.stream)
            // A start that is refused for want of room is answered with a failure.
            precondition(outputCredit[stream] != nil || frame.kind == .failed, "a stream that the client did not start")
            guard frame.kind == .data else { return }
            precondition(
                spend(frame.payload.count, from: &outputCredit[stream, default: [:]][frame.channel]),
                "more than the client will take")
        }
    }

    private func spend(_ count: Int, from credit: inout Int?) -> Bool {
        guard let left = credit, count <= left else { return false }
        credit = left - count
        return true
    }
}
