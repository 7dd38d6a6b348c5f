import InterceptionProtocol
import LinuxSystem
import NetworkAddress
import TrafficInspection

extension StreamFlow {
    /// Whether it waits for being handed over.
    var isHandedOver: Bool { phase == .handing }

    /// Has the interceptor carry what the client, whose first words are known, says from here on.
    func handOver(_ handover: HandshakeCheck.Handover, in loop: GatewayLoop) {
        guard let link = loop.interception else { return }
        phase = .handing
        self.handover = handover
        link.hand(self, in: loop)
    }

    /// What the interceptor is told, and the socket that it gets; `nil` when the connection has ended meanwhile.
    func order(_ id: UInt64) -> (ConnectionOrder, server: Descriptor)? {
        guard phase == .handing, let handover, let server = socket.descriptor else { return nil }
        // Requests without TLS are judged here, one by one; those within it by the name that was judged.
        let names: [HostPattern]? =
            if handover.scheme == .tls, handover.isBoundToName, let name = claim?.name {
                [HostPattern(.name(name))]
            } else { nil }
        let order = ConnectionOrder(
            id: id, scheme: handover.scheme, serverName: handover.serverName, address: remote.address,
            port: remote.port, names: names, resolvedNames: self.names.map { HostPattern(.name($0)) })
        return (order, server)
    }

    /// The interceptor has the connection: it goes on over this socket.
    func handedOver(_ own: Descriptor, in loop: GatewayLoop) {
        guard phase == .handing else { return }
        // The interceptor has it open: closing it here would not take it out.
        loop.release(token, socket.number)
        socket = InternetSocket(own)
        scanner = nil
        do throws(SystemError) { token = try loop.wait(for: socket.number, self) } catch {
            return notHandedOver("\(error)", in: loop)
        }
        phase = .open
        (mayRead, mayWrite) = (true, true)
        work(in: loop)
    }

    /// There is nobody who could take it: it ends, since it is not to go on unseen.
    func notHandedOver(_ reason: String, in loop: GatewayLoop) {
        guard phase == .handing else { return }
        loop.record(.deny, direction, "tcp", remote, rule: "tls", name: claim?.name ?? names.first, detail: reason)
        abort(in: loop)
    }

    /// Looks for placeholders in what is about to leave past the interceptor.
    /// - Returns: the secret's name.
    func placeholder(in bytes: UnsafeRawBufferPointer, _ loop: GatewayLoop) -> String? {
        // A copy: what is not taken now comes once more.
        guard var scanner, let link = loop.interception else { return nil }
        return link.name(scanner.feed(bytes))
    }

    /// A placeholder was about to leave past the interceptor.
    func refuse(placeholderOf secret: String, in loop: GatewayLoop) {
        loop.record(
            .deny, direction, "tcp", remote, port: eventPort, rule: "secret \(secret)",
            name: claim?.name ?? names.first, detail: InterceptionLink.misplaced)
        abort(in: loop)
    }
}
