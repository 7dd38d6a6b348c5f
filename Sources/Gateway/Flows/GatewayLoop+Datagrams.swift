import Glibc
import LinuxSystem
import NetworkAddress
import NetworkStack
import SandboxState

extension GatewayLoop {
    /// The guest has sent a datagram.
    func datagramReceived(_ datagram: Datagram) {
        if datagram.to.port != NameService.port, let secret = interception?.secret(in: datagram.payload) {
            record(
                .deny, .egress, "udp", datagram.to, rule: "secret \(secret)",
                name: judge.names(of: datagram.to.address).first, detail: InterceptionLink.misplaced)
            return stack.refuse(datagram, .prohibited, at: time)
        }
        if let (listener, client) = answers[datagram.to.port], guest.isGateway(datagram.to.address) {
            return listener.answer(client, datagram.payload, from: datagram.from.port, in: self)
        }
        if isForged(datagram.from.address) {
            return record(
                .deny, .egress, "udp", datagram.to, rule: "forged source", detail: "from \(datagram.from)")
        }
        // Who asks for names by multicast (mDNS, LLMNR) or broadcast asks nobody.
        guard datagram.destination == .unicast || datagram.destination == .linkLocal else {
            let kind = datagram.destination == .broadcast ? "broadcast" : "multicast"
            return record(.deny, .egress, "udp", datagram.to, rule: kind)
        }
        if datagram.to.port == NameService.port { return names.datagramReceived(datagram, in: self) }
        let key = DatagramFlow.Key(guest: datagram.from, remote: datagram.to)
        if let flow = datagrams[key] { return flow.send(datagram, in: self) }
        func refuse(_ rule: String, _ refusal: Refusal, _ detail: String? = nil) {
            let name = judge.names(of: datagram.to.address).first
            record(.deny, .egress, "udp", datagram.to, rule: rule, name: name, detail: detail)
            stack.refuse(datagram, refusal, at: time)
        }
        let verdict = judge.egress(.udp, to: datagram.to)
        if case .deny(let rule) = verdict { return refuse(rule, .prohibited) }
        if interception != nil, QUIC.isSpoken(datagram) {
            return refuse("quic", .prohibited, "it cannot be intercepted; clients fall back to TCP")
        }
        if proxy != nil, !judge.isHost(datagram.to.address) {
            return refuse("proxy", .prohibited, "the proxy carries TCP only")
        }
        if let limit = connectionLimit() { return refuse("limit", .prohibited, limit) }
        do {
            let flow = try DatagramFlow(
                key, connectedTo: outside(datagram.to)[0], rule: verdict.rule,
                names: judge.names(of: datagram.to.address),
                in: self)
            datagrams[key] = flow
            if judge.policy.recordsAllowed {
                record(.allow, .egress, "udp", datagram.to, rule: verdict.rule, name: flow.names.first)
            }
            flow.send(datagram, in: self)
        } catch {
            switch error.number {
            case EMFILE, ENFILE, ENOBUFS, ENOMEM: refuse("limit", .prohibited, error.description)
            default: stack.refuse(datagram, Refusal(error.number), at: time)
            }
        }
    }

    /// Nobody in the guest listens at a published port.
    func datagramRefused(_ gateway: Endpoint, _ guestEndpoint: Endpoint) {
        guard let (listener, client) = answers[gateway.port] else { return }
        listener.refused(client, in: self)
    }

    /// The guest pings somebody.
    func echoRequested(_ request: EchoRequest) {
        let to = Endpoint(request.to, 0)
        if isForged(request.from) {
            return record(.deny, .egress, "icmp", to, rule: "forged source", detail: "from \(request.from)")
        }
        let kind = DestinationKind(request.to)
        guard kind == .unicast || kind == .linkLocal else {
            return record(.deny, .egress, "icmp", to, rule: kind == .broadcast ? "broadcast" : "multicast")
        }
        let key = EchoFlow.Key(guest: request.from, remote: request.to, identifier: request.identifier)
        func refuse(_ rule: String, _ detail: String? = nil) {
            record(
                .deny, .egress, "icmp", to, rule: rule, name: judge.names(of: request.to).first, detail: detail)
            stack.refuse(request, .prohibited, at: time)
        }
        if let secret = interception?.secret(in: request.payload) {
            return refuse("secret \(secret)", InterceptionLink.misplaced)
        }
        if let flow = echoes[key] { return flow.send(request, in: self) }
        let verdict = judge.echo(to: request.to)
        if case .deny(let rule) = verdict { return refuse(rule) }
        if proxy != nil { return refuse("proxy", "the proxy carries TCP only") }
        if let limit = connectionLimit() { return refuse("limit", limit) }
        do {
            let flow = try EchoFlow(key, in: self)
            echoes[key] = flow
            flow.send(request, in: self)
        } catch {
            guard error.number == EACCES || error.number == EPERM else {
                return stack.refuse(request, Refusal(error.number), at: time)
            }
            // One event: this host never answers.
            stack.refuse(request, .prohibited, at: time)
            guard !toldOfPing else { return }
            toldOfPing = true
            let why = "the host does not let this user ping; see net.ipv4.ping_group_range in icmp(7)"
            record(.deny, .egress, "icmp", to, rule: "ping", detail: why)
        }
    }

    /// The stack has dropped a packet that nothing can be made of.
    func packetRefused(_ packet: RefusedPacket) {
        let (transport, number) = (packet.protocolNumber, packet.protocolNumber)
        let name: String
        switch transport {
        case 6: name = "tcp"
        case 17: name = "udp"
        case 1, 58: name = "icmp"
        default: name = "ip"
        }
        let rule: String
        var detail: String?
        switch packet.reason {
        case .forgedSource: (rule, detail) = ("forged source", "from \(packet.from)")
        case .unsupportedProtocol: (rule, detail) = ("protocol", "protocol number \(number)")
        case .unsupportedMessage: rule = "protocol"
        case .unsuitableDestination: rule = "destination"
        case .tooManyConnections: (rule, detail) = ("limit", "too many connections")
        }
        record(.deny, .egress, name, Endpoint(packet.to, packet.port ?? 0), rule: rule, detail: detail)
    }
}
