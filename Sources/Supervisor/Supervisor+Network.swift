import AgentProtocol
import Control
import Engine
import Gateway
import InterceptionProtocol
import LinuxSystem
import NetworkAddress
import NetworkPolicy
import SandboxState

/// The network of a machine: its gateway, and what that tells of.
struct MachineNetwork: Sendable {
    let gateway: Gateway
    /// What was refused.
    let events: AsyncStream<NetworkEvent>
    /// Whether somebody outside uses its published ports; the newest.
    let use: AsyncStream<Bool>
}

extension Supervisor {
    /// Connects a machine's network device with a gateway, or unplugs it.
    /// - Parameter admitsCallers: whether callers at published ports are let in at once.
    /// - Returns: `nil` for a sandbox that has no network: its device has no carrier, and nobody is at the other end.
    /// - Throws: `GatewayError`, `EngineError`, `StateError` when there is no proxy where one is to be.
    func startNetwork(_ machine: QEMUMachine, admitsCallers: Bool = true) async throws -> MachineNetwork? {
        let settings = network
        let memberships = try memberships.get()
        guard !settings.policy.isClosed || !memberships.isEmpty, let link = machine.network else {
            try await machine.setCarrier(false)
            return nil
        }
        guard let addresses = Self.guestAddresses else { return nil }
        var configuration = GatewayConfiguration(
            sandbox: "\(directory.id)", addresses: addresses, guestMAC: hardwareAddress, policy: settings.policy)
        configuration.limits = settings.limits
        configuration.ports = settings.ports
        configuration.memberships = memberships
        configuration.directory = directory
        configuration.nameServers = settings.nameServers?.compactMap { NetworkSettings.nameServer($0) }
        configuration.proxy = try proxy?.get()
        if let process = try await interceptor?.value, let secrets = settings.interception?.secrets {
            // The gateway's own, since it goes with it.
            let socket = InterceptionSocket(try process.socket.descriptor.duplicate())
            configuration.interception = (socket, secrets.map(\.description))
            await mark("interceptor ready")
        }
        let (events, told) = AsyncStream.makeStream(of: NetworkEvent.self, bufferingPolicy: .bufferingOldest(1024))
        let (use, tellUse) = AsyncStream.makeStream(of: Bool.self, bufferingPolicy: .bufferingNewest(1))
        configuration.tellUse = { tellUse.yield($0) }
        configuration.sleepingPorts = sleepingPorts
        configuration.admitsCallers = admitsCallers
        let gateway = try await Gateway.start(link, configuration) { told.yield($0) }
        // Ports that were withdrawn meanwhile.
        sleepingPorts.close()
        await mark("network ready")
        return MachineNetwork(gateway: gateway, events: events, use: use)
    }

    /// What the sandbox's network is to be, as far as it is known: it may have been changed while it ran.
    private var network: NetworkSettings {
        ((try? RecordFile.read(SandboxRecord.self, from: directory.record)) ?? record).network
    }

    /// The same for a sandbox as long as it lives, frozen or not, and another for each.
    var hardwareAddress: [UInt8] {
        // FNV-1a: it has to differ, not to be secret. Locally administered, of one device.
        let hash = record.id.utf8.reduce(0xCBF2_9CE4_8422_2325 as UInt64) { ($0 ^ UInt64($1)) &* 0x100_0000_01B3 }
        return [0x02] + (0..<5).map { UInt8(truncatingIfNeeded: hash >> (8 * UInt64($0))) }
    }

    private static var guestAddresses: GuestAddresses? {
        func address(_ text: String?) -> IPAddress? { text.flatMap { IPAddress($0.prefix { $0 != "/" }) } }
        guard let guest = address(GuestNetwork.addresses.first), let guestV6 = address(GuestNetwork.addresses.last),
            let gateway = address(GuestNetwork.gateways.first), let gatewayV6 = address(GuestNetwork.gateways.last)
        else { return nil }
        return GuestAddresses(
            guest: guest, guestV6: guestV6, gateway: gateway, gatewayV6: gatewayV6,
            gatewayMAC: GuestNetwork.gatewayHardwareAddress)
    }

    /// Writes down what the network tells, until it ends.
    func recordNetwork(_ network: MachineNetwork) async {
        let (log, events) = (NetworkLog(directory), EventLog(home))
        var first = FirstRefusals()
        for await event in network.events {
            let news = first.isNews(event) ? EventLog.Event(refusal: event, directory.id, name: record.name) : nil
            // To its end, also when this task is cancelled meanwhile: the sandbox's directory is removed after it.
            try? await DedicatedThread.value {
                log.append([event])
                if let news { events.append(news) }
            }
        }
    }

    /// Does what a client wants of the network, and keeps it for the next start.
    func change(_ network: MachineNetwork?, _ request: ControlRequest) async -> ControlReply {
        do {
            switch request {
            case .setPolicy(let policy):
                guard let gateway = network?.gateway else {
                    try updateNetwork { $0.policy = policy }
                    return .failed("the sandbox runs without a network; the policy holds when it is started again")
                }
                try await gateway.apply(policy)
                try updateNetwork { $0.policy = policy }
                return .done
            case .publish(let ports):
                guard let gateway = network?.gateway else { return .failed("the sandbox has no network") }
                var published: [PublishedPort] = []
                do {
                    for port in ports { published.append(try await gateway.publish(port)) }
                } catch {
                    for port in published { try? await gateway.withdraw(port) }
                    throw error
                }
                try updateNetwork { $0.ports += published }
                return .ports(published)
            case .withdraw(let ports):
                guard let gateway = network?.gateway else { return .failed("the sandbox has no network") }
                for port in ports { try await gateway.withdraw(port) }
                try updateNetwork { settings in
                    settings.ports.removeAll { known in
                        ports.contains(known) || known.hostPort == 0 && ports.contains { known.isLike($0) }
                    }
                }
                return .done
            default: return .ports(try await network?.gateway.ports() ?? [])
            }
        } catch {
            return .failed("\(error)")
        }
    }

    private func updateNetwork(_ body: (inout NetworkSettings) -> Void) throws {
        var record = try RecordFile.read(SandboxRecord.self, from: directory.record)
        var settings = record.network
        body(&settings)
        record.networkSettings = settings
        try RecordFile.write(record, to: directory.record, durable: true)
    }
}

/// Tells of each kind of refusal once in a while, where all sandboxes' events come together.
private struct FirstRefusals {
    /// For so long a refusal is none of news, in nanoseconds.
    private static let interval: UInt64 = 60_000_000_000
    /// Most kinds that are remembered.
    private static let most = 1000

    private var last: [String: UInt64] = [:]

    mutating func isNews(_ event: NetworkEvent) -> Bool {
        guard event.action == .deny else { return false }
        let kind =
            "\(event.protocol ?? "") \(event.address ?? "") \(event.port ?? 0) \(event.name ?? "") \(event.rule ?? "")"
        if let known = last[kind], event.time < known &+ Self.interval { return false }
        if last.count >= Self.most { last = [:] }
        last[kind] = event.time
        return true
    }
}

extension EventLog.Event {
    /// What was refused, in one line.
    fileprivate init(refusal event: NetworkEvent, _ id: SandboxID, name: String?) {
        let port = event.port.map { ":\($0)" } ?? ""
        let target =
            event.name.map { "\($0)\(event.address.map { " (\($0)\(port))" } ?? "")" } ?? (event.address ?? "") + port
        let direction = event.direction == .ingress ? "from" : "to"
        let why = [event.rule, event.detail].compactMap { $0 }.joined(separator: ": ")
        self.init(.deny, id, name: name, detail: "\(event.protocol ?? "ip") \(direction) \(target): \(why)")
    }
}
