/// Which datagrams were sent to loopback addresses of the guest: their answers, from those addresses, are no forgery.
/// The newest are known.
struct LoopbackFlows {
    private static let limit = 4096
    private var flows: Set<TCPFlow> = []
    private var order = Queue<TCPFlow>()

    mutating func insert(_ flow: TCPFlow) {
        guard flows.insert(flow).inserted else { return }
        order.append(flow)
        if flows.count > Self.limit, let oldest = order.popFirst() { flows.remove(oldest) }
    }

    func contains(_ flow: TCPFlow) -> Bool { flows.contains(flow) }
}
