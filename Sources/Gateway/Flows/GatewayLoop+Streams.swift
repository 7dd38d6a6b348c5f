import Glibc
import LinuxSystem
import NetworkAddress
import NetworkStack
import SandboxState

extension GatewayLoop {
    /// The guest wants a connection. It gets one when there is one outside.
    func streamRequested(_ id: ConnectionID, _ from: Endpoint, _ to: Endpoint) {
        if isForged(from.address) {
            stack.refuse(id, .silent, at: time)
            return record(.deny, .egress, "tcp", to, rule: "forged source", detail: "from \(from)")
        }
        if to.port == NameService.port { return names.streamRequested(id, in: self) }
        func refuse(_ rule: String, _ refusal: Refusal, _ detail: String? = nil) {
            record(.deny, .egress, "tcp", to, rule: rule, name: judge.names(of: to.address).first, detail: detail)
            stack.refuse(id, refusal, at: time)
        }
        let verdict = judge.egress(.tcp, to: to)
        if case .deny(let rule) = verdict { return refuse(rule, .reset) }
        if let limit = connectionLimit() { return refuse("limit", .reset, limit) }
        let names = judge.names(of: to.address)
        if let proxy, !judge.isHost(to.address) {
            let stream = ProxyStream(id, to: to, from: from, proxy, names: names, verdict, in: self)
            streams[id] = stream
            return stream.begin(in: self)
        }
        do {
            var targets = outside(to)
            let first = targets.removeFirst()
            let socket = try InternetSocket(.stream, isV4: first.address.isV4)
            let flow = StreamFlow(
                id, to: to, from: from, socket, names: names, rule: verdict.rule,
                others: targets, check: HandshakeCheck(verdict, intercepts: interception != nil))
            _ = try socket.connect(to: first)
            try flow.begin(in: self)
            streams[id] = flow
        } catch {
            switch error.number {
            // No fault of what is outside.
            case EMFILE, ENFILE, ENOBUFS, ENOMEM: refuse("limit", .reset, error.description)
            default: stack.refuse(id, Refusal(error.number), at: time)
            }
        }
    }

    /// What the host connects to for what the guest has named: the likeliest first, at least one. A service of the host may
    /// listen on one of its loopback addresses only.
    func outside(_ endpoint: Endpoint) -> [Endpoint] {
        guard guest.isGateway(endpoint.address) else { return [endpoint] }
        return [endpoint.address, guest.other(than: endpoint.address)].map {
            Endpoint(GuestAddresses.loopback(like: $0), endpoint.port)
        }
    }

    /// Whether the guest may not send from this address: its loopback address only answers.
    func isForged(_ address: IPAddress) -> Bool { !ownAddresses.contains(address) }

    /// Counts a new connection or flow.
    /// - Returns: why there can be none; `nil` when there can.
    func connectionLimit() -> String? {
        let count = streams.count + datagrams.count + echoes.count + (networks?.flowCount ?? 0)
        guard count < limits.connections else {
            return "it has \(limits.connections) connections"
        }
        guard connectionBucket?.take(1, at: now) != false else { return "too many new connections in a second" }
        return nil
    }

    /// Ends a connection that the guest is to end, when it does not.
    func abortLater(_ id: ConnectionID) {
        wait(until: now + LateAbort.patience, LateAbort(id))
    }

    /// Ends what the policy does not allow any more.
    func judgeAgain() {
        for stream in Array(streams.values) { stream.judgeAgain(in: self) }
        for flow in Array(datagrams.values) {
            let verdict = judge.egress(.udp, to: flow.key.remote)
            guard case .deny(let rule) = verdict else { continue }
            record(
                .deny, .egress, "udp", flow.key.remote, rule: rule, name: flow.names.first,
                detail: "the policy has changed")
            flow.close(in: self)
        }
        for flow in Array(echoes.values) where judge.echo(to: flow.key.remote).isDenied { flow.close(in: self) }
        networks?.judgeAgain(in: self)
    }
}

/// Ends a connection after some time.
private final class LateAbort: TimeHandler {
    /// How long the guest may take, in nanoseconds.
    static let patience: UInt64 = 5_000_000_000

    private let connection: ConnectionID

    init(_ connection: ConnectionID) { self.connection = connection }

    func timeHasCome(in loop: GatewayLoop) -> UInt64? {
        loop.stack.abort(connection, at: loop.time)
        return nil
    }
}
