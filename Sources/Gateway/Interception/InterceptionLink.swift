import Glibc
import InterceptionProtocol
import LinuxSystem
import NetworkAddress
import SandboxState
import TrafficInspection

/// The way to the sandbox's interceptor: connections go there with both their sockets, events come back.
final class InterceptionLink: DescriptorHandler {
    /// What events are told with.
    private struct Known {
        let remote: Endpoint
        let name: DomainName?
    }

    /// What events say of a placeholder on a way where it cannot be replaced.
    static let misplaced = "its placeholder was sent where it is not replaced"

    /// Finds the placeholders of the sandbox's secrets.
    let scanner: PlaceholderScanner
    private let secrets: [String]
    private let socket: InterceptionSocket
    private var connections: [UInt64: Known] = [:]
    /// Connections that the interceptor had no room for yet.
    private var waiting: [StreamFlow] = []
    private var isGone = false
    // The interceptor may still tell of connections that another gateway has handed over.
    private var last = UInt64.random(in: 0...(1 << 62))

    init(_ socket: InterceptionSocket, _ secrets: [SecretDescription]) {
        self.socket = socket
        self.secrets = secrets.map(\.name)
        scanner = PlaceholderScanner(secrets.map { Array($0.placeholder.utf8) })
    }

    /// Listens for events.
    /// - Throws: `SystemError`.
    func begin(in loop: GatewayLoop) throws(SystemError) {
        _ = try loop.wait(for: socket.descriptor.rawValue, self)
    }

    func ready(_ events: Epoll.Events, in loop: GatewayLoop) {
        if !events.isDisjoint(with: [.readable, .peerClosed, .hungUp, .failed]) { hear(in: loop) }
        let flows = waiting
        waiting = []
        for flow in flows { hand(flow, in: loop) }
    }

    // MARK: Connections

    /// Hands a connection over, now or when the interceptor has room for it.
    func hand(_ flow: StreamFlow, in loop: GatewayLoop) {
        guard !isGone else { return flow.notHandedOver("sandpiper-tls has ended", in: loop) }
        guard waiting.isEmpty, let (order, server) = flow.order(last &+ 1) else {
            if flow.isHandedOver { waiting.append(flow) }
            return
        }
        do {
            let (own, guest) = try Descriptor.socketPair()
            do {
                try socket.hand(order, guest: guest, server: server)
            } catch let error as SystemError where error.number == EAGAIN {
                return waiting.append(flow)
            }
            last &+= 1
            connections[last] = Known(remote: flow.remote, name: flow.claim?.name ?? flow.names.first)
            flow.handedOver(own, in: loop)
        } catch {
            flow.notHandedOver("\(error)", in: loop)
        }
    }

    // MARK: Events

    private func hear(in loop: GatewayLoop) {
        while !isGone {
            do {
                guard let event = try socket.nextEvent() else { return lose(in: loop) }
                handle(event, in: loop)
            } catch let error as SystemError where error.number == EAGAIN {
                return
            } catch {
                return lose(in: loop)
            }
        }
    }

    private func lose(in loop: GatewayLoop) {
        isGone = true
        connections = [:]
    }

    private func handle(_ event: InterceptionEvent, in loop: GatewayLoop) {
        switch event {
        case .refused(let refusal): record(.deny, refusal, in: loop)
        case .unreplaced(let refusal): record(.allow, refusal, in: loop)
        case .closed(let account): connections[account.id] = nil
        case .omitted(let count): loop.recorder.leaveOut(count)
        case .ready, .failed: break
        }
    }

    private func record(_ action: NetworkEvent.Action, _ refusal: InterceptionEvent.Refusal, in loop: GatewayLoop) {
        guard let known = connections[refusal.id] else { return }
        let rule = refusal.secret.map { "secret \($0)" } ?? "tls \(refusal.reason.rawValue)"
        let name = refusal.name.flatMap { DomainName($0) } ?? known.name
        loop.record(action, .egress, "tcp", known.remote, rule: rule, name: name, detail: refusal.detail)
    }

    // MARK: Placeholders

    /// The name of a secret whose placeholder is among bytes that no interceptor will see.
    func secret(in bytes: UnsafeRawBufferPointer) -> String? { name(scanner.found(in: bytes)) }

    /// The name of a secret whose placeholder is among bytes that no interceptor will see.
    func secret(in bytes: [UInt8]) -> String? { name(scanner.found(in: bytes)) }

    /// The name of a secret whose placeholder is part of a name.
    func secret(in name: DomainName) -> String? { secret(in: name.text) }

    /// The name of a secret whose placeholder is part of what may be a name of a host, written in either case.
    func secret(in name: String) -> String? { self.name(scanner.foundIgnoringCase(in: Array(name.utf8))) }

    /// The name of the first of those that were found.
    func name(_ found: Set<Int>) -> String? { found.min().flatMap { secrets.indices.contains($0) ? secrets[$0] : nil } }
}
