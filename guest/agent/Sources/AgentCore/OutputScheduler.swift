/// Bytes for the host that come in pieces.
protocol Output: AnyObject {
    /// Whether ``send(to:)`` could do something now, if the port has room.
    var isReady: Bool { get }
    /// Whether nothing more will be sent.
    var hasEnded: Bool { get }
    /// Sends one frame, or notices the end.
    func send(to port: HostPort)
}

/// Lets the outputs of all processes take turns, one frame each, while the port has room.
final class OutputScheduler {
    private let port: HostPort
    private var waiting: [any Output] = []
    private var first = 0
    private var isWaiting: Set<ObjectIdentifier> = []

    init(port: HostPort) { self.port = port }

    /// Whether ``turn(_:)`` could do something now.
    var hasWork: Bool { first < waiting.count && port.hasRoom }

    /// Queues a source that may have become ready.
    func consider(_ source: any Output) {
        guard source.isReady, isWaiting.insert(ObjectIdentifier(source)).inserted else { return }
        waiting.append(source)
    }

    /// Gives each waiting source at most one turn; `ended` hears of those that have nothing more to say.
    func turn(_ ended: (any Output) -> Void) {
        let round = waiting.count
        while first < round && port.hasRoom {
            let source = waiting[first]
            first += 1
            isWaiting.remove(ObjectIdentifier(source))
            guard source.isReady else {
                if source.hasEnded { ended(source) }
                continue
            }
            source.send(to: port)
            if source.hasEnded { ended(source) } else { consider(source) }
            port.flush()
        }
        waiting.removeFirst(first)
        first = 0
    }
}
