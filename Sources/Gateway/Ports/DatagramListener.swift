import Glibc
import LinuxSystem
import NetworkAddress
import NetworkStack
import SandboxState

/// A published port of UDP. Each client outside gets a port of the gateway's, so that the guest tells them apart and its
/// answers find their way.
final class DatagramListener: PortListener, DescriptorHandler, TimeHandler {
    private(set) var port: PublishedPort
    private var socket: InternetSocket
    private var token: UInt64 = 0
    private var isClosed = false
    private var clients: [Endpoint: Client] = [:]

    private struct Client {
        let gatewayPort: UInt16
        var lastUsed: UInt64
        /// Which of ``GuestService/targets(_:_:)`` is tried.
        var target = 0
        /// What it sent last, for another place to be tried.
        var last: [UInt8] = []
    }

    /// How long a client is remembered, in nanoseconds, and how many are.
    private static let (patience, most): (UInt64, Int) = (180_000_000_000, 1024)
    /// Datagrams taken in one turn.
    private static let turn = 64

    /// Listens.
    /// - Parameter kept: the socket, if it listens already.
    /// - Throws: `SystemError`.
    init(_ port: PublishedPort, _ kept: Descriptor?, in loop: GatewayLoop) throws(SystemError) {
        self.port = port
        if let kept {
            socket = InternetSocket(kept)
        } else {
            socket = try InternetSocket(.datagram, isV4: port.address.isV4)
            try socket.bind(to: Endpoint(port.address, port.hostPort))
        }
        self.port.hostPort = try socket.localEndpoint().port
        token = try loop.wait(for: socket.number, self, .readable)
        loop.wait(until: loop.now + Self.patience, self)
    }

    var isUsed: Bool { !clients.isEmpty }

    func suspend(_ isSuspended: Bool, in loop: GatewayLoop) {
        if !isClosed { loop.change(token, socket.number, isSuspended ? [] : .readable) }
    }

    func ready(_ events: Epoll.Events, in loop: GatewayLoop) {
        loop.withBuffer { buffer in
            for _ in 0..<Self.turn {
                let (count, from) = socket.receive(buffer)
                // Errors are of answers that found nobody.
                guard count >= 0 else { if errno == EAGAIN { return } else { continue } }
                guard let from, let gatewayPort = gatewayPort(for: from, in: loop) else { continue }
                clients[from]?.last = Array(buffer[..<count])
                deliver(from, gatewayPort, in: loop)
            }
        }
    }

    /// Hands the guest what a client sent last.
    private func deliver(_ client: Endpoint, _ gatewayPort: UInt16, in loop: GatewayLoop) {
        guard let known = clients[client] else { return }
        let targets = GuestService.targets(port.guestPort, loop.guest)
        let address = targets[known.target % targets.count]
        _ = known.last.withUnsafeBytes {
            loop.stack.sendDatagram(
                from: Endpoint(loop.guest.gateway(like: address), gatewayPort), to: Endpoint(address, port.guestPort),
                $0,
                at: loop.time)
        }
    }

    /// Nobody listens where the client's last datagram went: perhaps elsewhere.
    func refused(_ client: Endpoint, in loop: GatewayLoop) {
        guard let known = clients[client], !known.last.isEmpty,
            known.target + 1 < GuestService.targets(port.guestPort, loop.guest).count
        else {
            clients[client]?.target = 0
            return
        }
        clients[client]?.target += 1
        deliver(client, known.gatewayPort, in: loop)
        clients[client]?.last = []
    }

    /// The port by which the guest knows a client; `nil` when it is refused.
    private func gatewayPort(for client: Endpoint, in loop: GatewayLoop) -> UInt16? {
        if let known = clients[client] {
            clients[client]?.lastUsed = loop.now
            return known.gatewayPort
        }
        let verdict = loop.judge.ingress(.udp, from: client, port: port.guestPort)
        guard case .allow = verdict else {
            loop.record(.deny, .ingress, "udp", client, port: port.guestPort, rule: verdict.rule)
            return nil
        }
        if clients.count >= Self.most, let oldest = clients.min(by: { $0.value.lastUsed < $1.value.lastUsed }) {
            forget(oldest.key, oldest.value, in: loop)
        }
        let gatewayPort = loop.nextPort()
        clients[client] = Client(gatewayPort: gatewayPort, lastUsed: loop.now)
        loop.answers[gatewayPort] = (self, client)
        return gatewayPort
    }

    /// The guest answers a client.
    func answer(_ client: Endpoint, _ payload: [UInt8], from guestPort: UInt16, in loop: GatewayLoop) {
        guard guestPort == port.guestPort, clients[client] != nil else { return }
        clients[client]?.lastUsed = loop.now
        _ = payload.withUnsafeBytes { socket.send($0, to: client) }
    }

    func timeHasCome(in loop: GatewayLoop) -> UInt64? {
        guard !isClosed else { return nil }
        for (client, known) in clients where known.lastUsed + Self.patience <= loop.now {
            forget(client, known, in: loop)
        }
        return loop.now + Self.patience / 4
    }

    private func forget(_ client: Endpoint, _ known: Client, in loop: GatewayLoop) {
        clients[client] = nil
        if loop.answers[known.gatewayPort]?.listener === self { loop.answers[known.gatewayPort] = nil }
    }

    func close(in loop: GatewayLoop) { _ = giveUp(in: loop) }

    func giveUp(in loop: GatewayLoop) -> Descriptor? {
        guard !isClosed else { return nil }
        isClosed = true
        loop.forget(token)
        for (client, known) in clients { forget(client, known, in: loop) }
        defer { socket.close() }
        return socket.descriptor
    }
}
