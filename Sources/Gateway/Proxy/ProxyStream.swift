import Glibc
import LinuxSystem
import NetworkAddress
import NetworkPolicy
import NetworkStack
import SandboxState

/// A connection of the guest's on its way through the proxy: until that has said that it is made. Then a ``StreamFlow``
/// goes on with the socket, and the guest hears of it.
final class ProxyStream: StreamHandler, DescriptorHandler, TimeHandler {
    /// How far it has come.
    private enum Phase {
        /// The proxy's addresses are looked for.
        case naming
        /// The socket is on its way to the proxy.
        case connecting
        /// The proxy is told where to.
        case negotiating
        /// It is the flow's now, or nobody's.
        case over
    }

    /// How long one address of the proxy may take to accept, and the proxy to make the connection, in nanoseconds.
    private static let (acceptance, answer): (UInt64, UInt64) = (5_000_000_000, 60_000_000_000)
    /// How long it may outlive its end.
    private static let glance: UInt64 = 5_000_000_000

    let connection: ConnectionID
    var isWaitingForTurn = false
    private let remote: Endpoint
    private let guest: Endpoint
    private let names: [DomainName]
    private let server: ProxyServer
    private var verdict: Judge.Verdict
    private var handshake: ProxyHandshake
    private var phase = Phase.naming
    private var targets: [Endpoint] = []
    private var socket: InternetSocket?
    private var token: UInt64 = 0
    private var deadline: UInt64 = .max
    private var hasTimer = false
    private var proxyHasEnded = false

    /// A connection that the guest has asked for.
    /// - Parameter names: those under which the guest knows the address.
    init(
        _ connection: ConnectionID, to remote: Endpoint, from guest: Endpoint, _ server: ProxyServer,
        names: [DomainName], _ verdict: Judge.Verdict, in loop: GatewayLoop
    ) {
        self.connection = connection
        (self.remote, self.guest, self.names) = (remote, guest, names)
        (self.server, self.verdict) = (server, verdict)
        handshake = ProxyHandshake(
            server.proxy.scheme, to: remote, loop.judge.nameForProxy(remote, names), server.proxy.credentials)
    }

    /// Sets out; the loop has it among its streams by now.
    func begin(in loop: GatewayLoop) {
        server.find(in: loop) { [weak self] found, loop in
            guard let self, phase == .naming else { return }
            switch found {
            case .success(let endpoints):
                targets = endpoints
                connectNext(after: EHOSTUNREACH, in: loop)
            case .failure(let failure): refuse(.hostUnreachable, cannotReach(failure.reason), in: loop)
            }
        }
    }

    // MARK: The proxy

    private func connectNext(after failure: Int32, in loop: GatewayLoop) {
        var failure = failure
        phase = .connecting
        while !targets.isEmpty {
            drop(in: loop)
            let target = targets.removeFirst()
            do throws(SystemError) {
                let socket = try InternetSocket(.stream, isV4: target.address.isV4)
                socket.setNoDelay()
                _ = try socket.connect(to: target)
                token = try loop.wait(for: socket.number, self)
                self.socket = socket
                return wait(Self.acceptance, in: loop)
            } catch {
                failure = error.number
                // No fault of the proxy's, and the same for all its addresses.
                if [EMFILE, ENFILE, ENOBUFS, ENOMEM].contains(failure) {
                    return refuse(.reset, error.description, rule: "limit", in: loop)
                }
            }
        }
        // Not as slowly as the kernel would say it.
        let refusal = failure == ETIMEDOUT ? Refusal.hostUnreachable : Refusal(failure)
        refuse(refusal, SystemError("cannot reach the proxy", "\(server.proxy)", number: failure).description, in: loop)
    }

    func ready(_ events: Epoll.Events, in loop: GatewayLoop) {
        if !events.isDisjoint(with: [.peerClosed, .failed, .hungUp]) { proxyHasEnded = true }
        switch phase {
        case .connecting:
            guard !events.isDisjoint(with: [.writable, .failed, .hungUp]), let socket else { return }
            let error = socket.error
            guard error == 0 else { return connectNext(after: error, in: loop) }
            phase = .negotiating
            wait(Self.answer, in: loop)
            say(handshake.greeting, in: loop)
        case .negotiating: hear(in: loop)
        case .naming, .over: return
        }
    }

    private func say(_ bytes: [UInt8], in loop: GatewayLoop) {
        // A connection that is new has room for so little.
        guard bytes.withUnsafeBytes({ socket?.send($0) }) == bytes.count else { return hungUp(in: loop) }
        hear(in: loop)
    }

    /// Takes the proxy's answer, and nothing that comes after it.
    private func hear(in loop: GatewayLoop) {
        guard phase == .negotiating, let socket else { return }
        guard let bytes = socket.peek(ProxyHandshake.longestAnswer) else { return hungUp(in: loop) }
        guard !bytes.isEmpty else { return }
        switch handshake.next(bytes) {
        case .needMore: if proxyHasEnded { hungUp(in: loop) }
        case .send(let more, let count):
            socket.drop(count)
            say(more, in: loop)
        case .done(let count):
            socket.drop(count)
            handOver(socket, in: loop)
        // As if the guest had asked itself.
        case .refused(.connection): refuse(.reset, nil, in: loop)
        case .refused(.unreachable): refuse(.hostUnreachable, nil, in: loop)
        case .refused(.prohibited(let reason)): refuse(.prohibited, reason, in: loop)
        }
    }

    private func hungUp(in loop: GatewayLoop) { refuse(.reset, "the proxy has hung up", in: loop) }

    private func handOver(_ socket: InternetSocket, in loop: GatewayLoop) {
        let flow = StreamFlow(
            connection, to: remote, from: guest, socket, names: names, rule: verdict.rule, others: [],
            check: HandshakeCheck(verdict, intercepts: loop.interception != nil))
        loop.release(token, socket.number)
        self.socket = nil
        phase = .over
        do throws(SystemError) {
            try flow.begin(in: loop)
            loop.streams[connection] = flow
        } catch {
            loop.streams[connection] = nil
            loop.record(.deny, .egress, "tcp", remote, rule: "limit", name: names.first, detail: error.description)
            loop.stack.refuse(connection, .reset, at: loop.time)
        }
    }

    // MARK: Time

    private func wait(_ time: UInt64, in loop: GatewayLoop) {
        deadline = loop.now &+ time
        guard !hasTimer else { return }
        hasTimer = true
        loop.wait(until: min(deadline, loop.now &+ Self.glance), self)
    }

    func timeHasCome(in loop: GatewayLoop) -> UInt64? {
        if phase == .over { return nil }
        if loop.now >= deadline {
            if phase == .connecting {
                connectNext(after: ETIMEDOUT, in: loop)
            } else {
                refuse(.hostUnreachable, "the proxy does not answer", in: loop)
            }
        }
        return phase == .over ? nil : min(deadline, loop.now &+ Self.glance)
    }

    // MARK: The end

    private func cannotReach(_ reason: String) -> String { "cannot reach the proxy \(server.proxy): \(reason)" }

    /// The guest hears that there is no connection.
    /// - Parameter detail: what is recorded; `nil` when it is no more than what whoever it asked for has said.
    private func refuse(_ refusal: Refusal, _ detail: String?, rule: String = "proxy", in loop: GatewayLoop) {
        guard phase != .over else { return }
        if let detail {
            loop.record(.deny, .egress, "tcp", remote, rule: rule, name: names.first, detail: detail)
        }
        end(refusal, in: loop)
    }

    private func end(_ refusal: Refusal, in loop: GatewayLoop) {
        loop.streams[connection] = nil
        loop.stack.refuse(connection, refusal, at: loop.time)
        drop(in: loop)
        phase = .over
    }

    private func drop(in loop: GatewayLoop) {
        guard socket != nil else { return }
        loop.forget(token)
        socket?.setResetOnClose()
        socket = nil
        proxyHasEnded = false
    }

    func abort(in loop: GatewayLoop) { if phase != .over { end(.reset, in: loop) } }

    func closed(_ reason: CloseReason, in loop: GatewayLoop) {
        drop(in: loop)
        phase = .over
    }

    func judgeAgain(in loop: GatewayLoop) {
        verdict = loop.judge.egress(.tcp, to: remote)
        guard case .deny(let rule) = verdict else { return }
        refuse(.reset, "the policy has changed", rule: rule, in: loop)
    }

    // Nothing passes before the guest's connection is accepted.
    func established(in loop: GatewayLoop) {}
    func work(in loop: GatewayLoop) {}
    func finished(in loop: GatewayLoop) {}
}
