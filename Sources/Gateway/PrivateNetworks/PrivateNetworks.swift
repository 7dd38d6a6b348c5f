import Glibc
import LinuxSystem
import NetworkAddress
import NetworkPolicy
import NetworkStack
import SandboxState

/// The private networks that the sandbox is in. Packets to other members go on whole, to the gateway of the member that
/// they are for; each gateway judges what its own guest sends and gets, by the first packet of each flow.
final class PrivateNetworks: TimeHandler {
    /// Below it are the names of networks, and below those the names of their members.
    static let domain = "sandpiper.internal"

    private var tables: [MemberTable]
    private var flows = FlowTable<String>()
    private var links: [String: MemberLink] = [:]
    private let backlog = MemberLink.Backlog()
    private(set) var port: MemberPort?
    private let directory: SandboxDirectory
    /// Whether it is called when flows may be old.
    private var isTimed = false

    /// How often old flows and links are looked for, and how long a link is kept that nobody uses, in nanoseconds.
    private static let (interval, idleness): (UInt64, UInt64) = (10_000_000_000, 60_000_000_000)

    /// The networks of a sandbox; at least one.
    init(_ memberships: [NetworkMembership], _ directory: SandboxDirectory) {
        tables = memberships.map { MemberTable($0) }
        self.directory = directory
    }

    /// Begins to take packets of other members.
    /// - Throws: `SystemError`.
    func begin(in loop: GatewayLoop) throws(SystemError) {
        port = try MemberPort(directory, in: loop)
        loop.judge.setSandboxes(Set(tables.flatMap(\.others)))
    }

    /// Ends it.
    func close(in loop: GatewayLoop) {
        port?.close(in: loop)
        port = nil
        for link in links.values { link.close(in: loop) }
        links = [:]
    }

    // MARK: Members

    /// How many flows there are.
    var flowCount: Int { flows.count }

    /// Takes note of who came, went or got another name.
    private func renew(in loop: GatewayLoop) {
        var isNew = false
        for index in tables.indices where tables[index].renew() { isNew = true }
        if isNew { loop.judge.setSandboxes(Set(tables.flatMap(\.others))) }
    }

    /// Whether a sandbox is in one of the networks.
    func isMember(_ id: String, in loop: GatewayLoop) -> Bool {
        renew(in: loop)
        return tables.contains { table in table.members.contains { $0.id == id } }
    }

    /// The addresses of the member that is meant by a name; `nil` for a name that is none of members. One below the
    /// networks' own domain always is, whether or not somebody has it.
    func addresses(named name: DomainName, in loop: GatewayLoop) -> [IPAddress]? {
        renew(in: loop)
        let found = tables.flatMap { $0.addresses(named: name) }
        guard found.isEmpty else { return found }
        return tables.contains { name.text.hasSuffix(".\($0.name).\(Self.domain)") } ? [] : nil
    }

    /// Whether an address is of one of the networks.
    func contains(_ address: IPAddress) -> Bool { tables.contains { $0.subnet.contains(address) } }

    /// The name of the member that has an address, with its network's.
    func name(of address: IPAddress) -> DomainName? {
        guard let table = tables.first(where: { $0.subnet.contains(address) }), let member = table.member(at: address)
        else { return nil }
        return DomainName("\(member.name ?? String(member.id.prefix(12))).\(table.name).\(Self.domain)")
    }

    // MARK: Packets

    /// The guest has sent a packet to an address of one of the networks.
    func guestSent(_ bytes: [UInt8], in loop: GatewayLoop) {
        guard let packet = bytes.withUnsafeBytes({ ForwardedPacket($0) }),
            let table = tables.first(where: { $0.subnet.contains(packet.destination) })
        else { return }
        func record(_ rule: String, _ detail: String? = nil) {
            loop.record(
                .deny, .egress, packet.transport, Endpoint(packet.destination, packet.destinationPort), rule: rule,
                name: name(of: packet.destination), detail: detail)
        }
        func refuse(_ refusal: Refusal) {
            guard let answer = bytes.withUnsafeBytes({ packet.answer(refusal, to: $0) }) else { return }
            _ = answer.withUnsafeBytes { loop.stack.sendPacket($0, at: loop.time) }
        }
        guard packet.source == table.own(like: packet.destination) else {
            return record("forged source", "from \(packet.source), which is not the sandbox's in network \(table.name)")
        }
        guard !table.subnet.isForAll(packet.destination) else { return record("broadcast") }
        if let secret = loop.interception?.secret(in: bytes) {
            record("secret \(secret)", InterceptionLink.misplaced)
            return refuse(packet.isSegment ? .reset : .prohibited)
        }
        switch flows.note(packet, fromGuest: true, at: loop.now) {
        case .known(let member):
            if !send(bytes, to: member, in: loop) { refuse(.hostUnreachable) }
        case .stray: refuse(.reset)
        case .unsupported:
            record("protocol", "protocol number \(packet.protocolNumber)")
            refuse(.reset)
        case .first(let flow):
            renew(in: loop)
            guard let member = self.member(at: packet.destination)?.id else { return refuse(.hostUnreachable) }
            let verdict = loop.judge.member(flow, isGuests: true)
            guard verdict.isAllowed else {
                record(verdict.rule)
                return refuse(packet.isSegment ? .reset : .prohibited)
            }
            if let limit = loop.connectionLimit() {
                record("limit", limit)
                return refuse(packet.isSegment ? .reset : .prohibited)
            }
            guard send(bytes, to: member, in: loop) else { return refuse(.hostUnreachable) }
            begin(flow, packet, fromGuest: true, member, verdict.rule, in: loop)
        }
    }

    /// The gateway of another sandbox has sent a packet.
    func memberSent(_ bytes: UnsafeRawBufferPointer, _ sender: String, in loop: GatewayLoop) {
        // Its stack lets nothing pass that is none.
        guard let packet = ForwardedPacket(bytes) else { return }
        if self.member(at: packet.source)?.id != sender { renew(in: loop) }
        let own = tables.first { $0.own(like: packet.destination) == packet.destination }
        guard let own, own.member(at: packet.source)?.id == sender else {
            return loop.record(
                .deny, .ingress, packet.transport, Endpoint(packet.source, 0), port: packet.destinationPort,
                rule: "forged source", detail: "to \(packet.destination), from sandbox \(sender)")
        }
        func refuse(_ refusal: Refusal) {
            if let answer = packet.answer(refusal, to: bytes) { _ = send(answer, to: sender, in: loop) }
        }
        func record(_ rule: String, _ detail: String? = nil) {
            loop.record(
                .deny, .ingress, packet.transport, Endpoint(packet.source, 0), port: packet.destinationPort, rule: rule,
                name: name(of: packet.source), detail: detail)
        }
        switch flows.note(packet, fromGuest: false, at: loop.now) {
        case .known: break
        case .stray: return refuse(.reset)
        case .unsupported:
            record("protocol", "protocol number \(packet.protocolNumber)")
            return refuse(.reset)
        case .first(let flow):
            let verdict = loop.judge.member(flow, isGuests: false)
            guard verdict.isAllowed else {
                record(verdict.rule)
                return refuse(packet.isSegment ? .reset : .prohibited)
            }
            // Others leave the guest half of what it may have.
            let isHalf = flows.peersCount >= loop.limits.connections / 2 && loop.limits.connections > 1
            if let limit = isHalf ? "other sandboxes have \(flows.peersCount) connections" : loop.connectionLimit() {
                record("limit", limit)
                return refuse(packet.isSegment ? .reset : .prohibited)
            }
            begin(flow, packet, fromGuest: false, sender, verdict.rule, in: loop)
        }
        loop.stack.sendPacket(bytes, at: loop.time)
    }

    private func member(at address: IPAddress) -> NetworkMember? {
        for table in tables { if let member = table.member(at: address) { return member } }
        return nil
    }

    private func begin(
        _ flow: ForwardedFlow, _ packet: ForwardedPacket, fromGuest: Bool, _ member: String, _ rule: String,
        in loop: GatewayLoop
    ) {
        flows.add(flow, packet, fromGuest: fromGuest, member, at: loop.now)
        lookAfter(in: loop)
        if loop.judge.policy.recordsAllowed {
            loop.record(
                .allow, fromGuest ? .egress : .ingress, flow.transport.rawValue, flow.peer, port: flow.port(fromGuest),
                rule: rule, name: name(of: flow.peer.address))
        }
    }

    /// Looks after flows and links from time to time, as long as there are any.
    private func lookAfter(in loop: GatewayLoop) {
        guard !isTimed else { return }
        isTimed = true
        loop.wait(until: loop.now + Self.interval, self)
    }

    // MARK: Links

    /// Sends a packet to a member.
    /// - Returns: whether it has a gateway at this moment.
    private func send(_ bytes: [UInt8], to member: String, in loop: GatewayLoop) -> Bool {
        if let link = links[member] {
            link.send(bytes, in: loop)
            return true
        }
        guard let id = SandboxID(member) else { return false }
        do throws(SystemError) {
            let link = try MemberLink(to: id, from: directory, backlog, in: loop)
            links[member] = link
            lookAfter(in: loop)
            link.send(bytes, in: loop)
            return true
        } catch {
            // Many connect to it at this moment: the packet is lost, and sent again by who cares.
            return error.number == EAGAIN
        }
    }

    /// A member's gateway has ended, with its machine. Connections to that are over.
    func linkEnded(_ link: MemberLink, in loop: GatewayLoop) {
        link.close(in: loop)
        guard links[link.member] === link else { return }
        links[link.member] = nil
        for (flow, state, owner) in flows.all where owner == link.member {
            end(flow, state, in: loop)
        }
    }

    private func end(_ flow: ForwardedFlow, _ state: ForwardedFlowState, in loop: GatewayLoop) {
        if let reset = state.reset(flow, forGuest: true) {
            _ = reset.withUnsafeBytes { loop.stack.sendPacket($0, at: loop.time) }
        }
        flows.remove(flow)
        recordEnd(flow, state, in: loop)
    }

    private func recordEnd(_ flow: ForwardedFlow, _ state: ForwardedFlowState, in loop: GatewayLoop) {
        guard loop.judge.policy.recordsAllowed else { return }
        loop.recordEnd(
            state.isGuests ? .egress : .ingress, flow.transport.rawValue, flow.peer, port: flow.port(state.isGuests),
            rule: loop.judge.member(flow, isGuests: state.isGuests).rule, name: name(of: flow.peer.address),
            state.bytesOut, state.bytesIn)
    }

    /// Ends what the policy does not allow any more.
    func judgeAgain(in loop: GatewayLoop) {
        for (flow, state, owner) in flows.all {
            let verdict = loop.judge.member(flow, isGuests: state.isGuests)
            guard !verdict.isAllowed else { continue }
            loop.record(
                .deny, state.isGuests ? .egress : .ingress, flow.transport.rawValue, flow.peer,
                port: flow.port(state.isGuests), rule: verdict.rule, name: name(of: flow.peer.address),
                detail: "the policy has changed")
            if let reset = state.reset(flow, forGuest: false) { _ = send(reset, to: owner, in: loop) }
            end(flow, state, in: loop)
        }
    }

    func timeHasCome(in loop: GatewayLoop) -> UInt64? {
        for (flow, state) in flows.expire(at: loop.now) { recordEnd(flow, state, in: loop) }
        // Whoever has flows to a member wants to hear when that ends.
        let used = Set(flows.all.map(\.owner))
        for (member, link) in links where !used.contains(member) && link.lastUsed + Self.idleness < loop.now {
            link.close(in: loop)
            links[member] = nil
        }
        isTimed = flows.count > 0 || !links.isEmpty
        return isTimed ? loop.now + Self.interval : nil
    }
}
