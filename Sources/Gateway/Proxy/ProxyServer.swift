import DNSMessage
import NetworkAddress
import SandboxState

/// Where the proxy is at this moment. A name is looked up when a connection needs it, as the host would do: in its
/// hosts(5), then with its name servers; what they say is kept as long as it holds. No policy of the sandbox is asked, and
/// nothing of it is told to the guest.
final class ProxyServer {
    /// Who waits for the addresses, or hears why there are none.
    typealias Waiter = (Result<[Endpoint], Failure>, GatewayLoop) -> Void

    /// Why there is no address.
    struct Failure: Error {
        let reason: String
    }

    /// Most addresses that are kept.
    private static let most = 8
    /// For how long a failure, and what does not say it, holds at least: many connections ask at one time.
    private static let shortest: UInt64 = 1_000_000_000
    /// For how long the answer of a file holds.
    private static let lifeOfFile: UInt32 = 10

    let proxy: UpstreamProxy
    /// Who is asked where the host has no name server.
    private let given: [Endpoint]?
    private var resolver = HostResolver()
    private var known: Result<[Endpoint], Failure>?
    private var end: UInt64 = 0
    /// What is being asked, and what was found so far.
    private var lookups: [DNSType: NameLookup] = [:]
    private var found: [IPAddress] = []
    private var life: UInt32 = .max
    private var hasAnswer = false
    private var waiters: [Waiter] = []

    init(_ proxy: UpstreamProxy, given servers: [Endpoint]?) {
        self.proxy = proxy
        given = servers
    }

    /// Finds the addresses, at once or later, the ones to be tried first in front.
    func find(in loop: GatewayLoop, _ waiter: @escaping Waiter) {
        switch proxy.host {
        case .address(let address): waiter(.success([Endpoint(address, proxy.port)]), loop)
        case .name(let name):
            if let known, end > loop.now { return waiter(known, loop) }
            waiters.append(waiter)
            if lookups.isEmpty { look(up: name, in: loop) }
        }
    }

    private func look(up name: DomainName, in loop: GatewayLoop) {
        (found, life, hasAnswer) = ([], .max, false)
        let local = name.text == "localhost" ? HostsFile.loopback : HostsFile.addresses(of: name)
        if !local.isEmpty {
            (found, life) = (local, Self.lifeOfFile)
            return settle(in: loop)
        }
        var servers = resolver.servers()
        if servers.isEmpty { servers = given ?? [] }
        guard !servers.isEmpty else { return settle(in: loop) }
        for type in [DNSType.a, .aaaa] {
            let query = DNSMessage(id: 0, question: DNSQuestion(DNSName(name), type))
            guard let question = query.question else { continue }
            lookups[type] = NameLookup(NameCache.Key(query, question), servers) { [weak self] _, answer, loop in
                self?.answered(type, answer, in: loop)
            }
        }
        for lookup in lookups.values { lookup.askNext(in: loop) }
    }

    private func answered(_ type: DNSType, _ answer: DNSMessage?, in loop: GatewayLoop) {
        lookups[type] = nil
        if answer != nil { hasAnswer = true }
        let chain = answer?.chain ?? []
        if chain.contains(where: { $0.address != nil }) {
            found += chain.compactMap(\.address)
            life = min(life, chain.map(\.ttl).min() ?? 0)
        }
        // Whoever has an address need not wait for the others.
        if !found.isEmpty || lookups.isEmpty { settle(in: loop) }
    }

    private func settle(in loop: GatewayLoop) {
        end = loop.now &+ max(found.isEmpty ? 0 : UInt64(life) * 1_000_000_000, Self.shortest)
        let sorted = found.filter(\.isV4) + found.filter { !$0.isV4 }
        let endpoints = sorted.prefix(Self.most).map { Endpoint($0, proxy.port) }
        let result: Result<[Endpoint], Failure> =
            endpoints.isEmpty
            ? .failure(Failure(reason: hasAnswer ? "its name has no address" : "no name server answers for its name"))
            : .success(endpoints)
        known = result
        let waiting = waiters
        waiters = []
        for waiter in waiting { waiter(result, loop) }
    }
}
