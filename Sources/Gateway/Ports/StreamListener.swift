import Glibc
import LinuxSystem
import NetworkAddress
import SandboxState

/// A published port of TCP.
final class StreamListener: PortListener, DescriptorHandler, TimeHandler {
    private(set) var port: PublishedPort
    private var socket: InternetSocket
    private var token: UInt64 = 0
    private var isWaiting = false
    private var isSuspended = false
    private var isClosed = false

    /// How long nothing is accepted when there are no descriptors left, in nanoseconds.
    private static let pause: UInt64 = 100_000_000
    /// Connections accepted in one turn.
    private static let turn = 64

    /// Listens.
    /// - Parameter kept: the socket, if it listens already.
    /// - Throws: `SystemError`.
    init(_ port: PublishedPort, _ kept: Descriptor?, in loop: GatewayLoop) throws(SystemError) {
        self.port = port
        if let kept {
            socket = InternetSocket(kept)
        } else {
            socket = try InternetSocket(.stream, isV4: port.address.isV4)
            try socket.bind(to: Endpoint(port.address, port.hostPort))
            try socket.listen()
        }
        self.port.hostPort = try socket.localEndpoint().port
        token = try loop.wait(for: socket.number, self, .readable)
    }

    // Its connections tell that themselves.
    var isUsed: Bool { false }

    func suspend(_ isSuspended: Bool, in loop: GatewayLoop) {
        guard !isClosed else { return }
        self.isSuspended = isSuspended
        listen(in: loop)
    }

    private func listen(in loop: GatewayLoop) {
        loop.change(token, socket.number, isWaiting || isSuspended ? [] : .readable)
    }

    func ready(_ events: Epoll.Events, in loop: GatewayLoop) {
        for _ in 0..<Self.turn {
            guard !isClosed, !isWaiting, !isSuspended else { return }
            do {
                guard let (other, client) = try socket.accept() else { return }
                loop.accepted(other, from: client, at: port)
            } catch {
                // The kernel keeps those that wait; some descriptor will be free in a while.
                isWaiting = true
                listen(in: loop)
                loop.wait(until: loop.now + Self.pause, self)
            }
        }
    }

    func timeHasCome(in loop: GatewayLoop) -> UInt64? {
        guard !isClosed else { return nil }
        isWaiting = false
        listen(in: loop)
        return nil
    }

    func close(in loop: GatewayLoop) { _ = giveUp(in: loop) }

    func giveUp(in loop: GatewayLoop) -> Descriptor? {
        guard !isClosed else { return nil }
        isClosed = true
        loop.forget(token)
        defer { socket.close() }
        return socket.descriptor
    }
}

extension GatewayLoop {
    /// A client has connected to a published port: the guest is asked whether somebody is there.
    func accepted(_ socket: InternetSocket, from client: Endpoint, at port: PublishedPort) {
        var socket = socket
        let verdict = judge.ingress(.tcp, from: client, port: port.guestPort)
        func refuse(_ rule: String, _ detail: String? = nil) {
            record(.deny, .ingress, "tcp", client, port: port.guestPort, rule: rule, detail: detail)
            socket.setResetOnClose()
            socket.close()
        }
        guard case .allow(let rule) = verdict else { return refuse(verdict.rule) }
        if let limit = connectionLimit() { return refuse("limit", limit) }
        var targets = GuestService.targets(port.guestPort, guest).map { address in
            (from: Endpoint(guest.gateway(like: address), nextPort()), to: Endpoint(address, port.guestPort))
        }
        let first = targets.removeFirst()
        guard let id = stack.connect(from: first.from, to: first.to, at: time) else {
            return refuse("limit", "too many connections")
        }
        let flow = StreamFlow(
            id, from: client, toPort: port.guestPort, socket, rule: rule, alternatives: targets.reversed())
        do { try flow.begin(in: self) } catch {
            stack.abort(id, at: time)
            return refuse("limit", error.description)
        }
        streams[id] = flow
    }

    /// A port of the gateway for a connection to the guest: not one that was just in use.
    func nextPort() -> UInt16 {
        lastPort = lastPort >= 65_534 ? 1024 : lastPort + 1
        return lastPort
    }
}
