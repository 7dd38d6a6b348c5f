import Glibc
import InterceptionProtocol
import LinuxSystem
import NetworkAddress
import Synchronization
import Testing

/// A gateway with the real `sandpiper-tls`: what connects to one of its ports is handed over with a connection to a server.
final class TestGateway: Sendable {
    /// What one port stands for.
    struct Route: Sendable {
        var target: UInt16
        var scheme = ConnectionOrder.Scheme.tls
        var serverName: String? = "api.example.com"
        var port: UInt16 = 443
        var names: [String]?
        var resolvedNames: [String] = []
    }

    static let placeholder = "sandpiper-secret-0123456789abcdef"
    static let value = "v4lue\"of&the secret"

    let directory: TestDirectory
    let process: Background
    let socket: InterceptionSocket
    private let received = Mutex<[InterceptionEvent]>([])
    private let listeners = Mutex<[Descriptor]>([])
    private let count = Atomic<UInt64>(0)

    /// - Parameter change: what is different from one secret for `api.example.com` and the authority's servers trusted.
    init(_ authority: TestAuthority, _ change: (inout InterceptionConfiguration) -> Void = { _ in }) throws {
        directory = try TestDirectory()
        let (socket, other) = try InterceptionSocket.pair()
        self.socket = socket
        let nothing = try Descriptor(opening: "/dev/null", O_RDWR)
        let pid = try spawn(
            [try TestProgram.path("sandpiper-tls")], [(nothing, 0), (nothing, 1), (other, 3)], inNewSession: true)
        process = Background(pid: pid)
        var configuration = InterceptionConfiguration(
            authorityDirectory: "\(directory.path)/ca", upstreamAuthorityFiles: [authority.certificate])
        configuration.secrets = [
            SecretDescription(
                name: "TOKEN", placeholder: Self.placeholder,
                hosts: [try #require(HostPattern("api.example.com"))], places: Set(SecretDescription.Place.allCases))
        ]
        change(&configuration)
        let values = try SecretValues(configuration.secrets.map { _ in Self.value })
        try socket.configure(configuration, values: configuration.secrets.isEmpty ? nil : values.file)
        guard let first = try socket.nextEvent(waits: true), case .ready = first else {
            throw SystemError("configure sandpiper-tls", number: EINVAL)
        }
        try DedicatedThread.start { [self] in
            while let event = try? self.socket.nextEvent(waits: true) { received.withLock { $0.append(event) } }
        }
    }

    /// The certificate that the guest trusts.
    var certificate: String { "\(directory.path)/ca/ca.pem" }

    deinit {
        listeners.withLock { for listener in $0 { shutdown(listener.rawValue, Int32(SHUT_RDWR)) } }
        shutdown(socket.descriptor.rawValue, Int32(SHUT_RDWR))
    }

    // MARK: Events

    /// What was said, once there are so many that `isWanted` is true of; waits for them.
    func events(_ number: Int = 1, where isWanted: (InterceptionEvent) -> Bool) async throws -> [InterceptionEvent] {
        for _ in 0..<500 {
            let found = received.withLock { $0.filter(isWanted) }
            if found.count >= number { return found }
            try await Task.sleep(for: .milliseconds(10))
        }
        return received.withLock { $0.filter(isWanted) }
    }

    /// The first refusal.
    func refusal() async throws -> InterceptionEvent.Refusal {
        let events = try await events { if case .refused = $0 { true } else { false } }
        guard case .refused(let refusal) = try #require(events.first) else {
            throw SystemError("find a refusal", number: 0)
        }
        return refusal
    }

    /// All events as text.
    var allEvents: String { received.withLock { $0.map { "\($0)" }.joined(separator: "\n") } }

    // MARK: Connections

    /// Listens for the guest's connections; each is handed over with one to the route's server.
    /// - Returns: the port.
    func listen(_ route: Route) throws -> UInt16 {
        let (listener, port) = try Self.listenLocally()
        listeners.withLock { $0.append(listener) }
        let names = try route.names?.map { try #require(HostPattern($0)) }
        let resolved = try route.resolvedNames.map { try #require(HostPattern($0)) }
        try DedicatedThread.start { [weak self] in
            while true {
                let number = accept(listener.rawValue, nil, nil)
                guard number >= 0, let self else { return }
                let order = ConnectionOrder(
                    id: count.add(1, ordering: .relaxed).newValue, scheme: route.scheme, serverName: route.serverName,
                    address: .v4(IPv4Address(127, 0, 0, 1)), port: route.port, names: names, resolvedNames: resolved)
                // A guest's stream is a socket of TCP here, where the gateway has a pair.
                guard let server = try? Self.connectLocally(route.target) else { continue }
                try? socket.hand(order, guest: Descriptor(owning: number), server: server, waits: true)
            }
        }
        return port
    }

    static func listenLocally() throws -> (Descriptor, UInt16) {
        let listener = Descriptor(owning: Glibc.socket(AF_INET, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0))
        var address = loopback(0)
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        let bound = withUnsafeMutablePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(listener.rawValue, $0, length) == 0 && Glibc.listen(listener.rawValue, 256) == 0
                    && getsockname(listener.rawValue, $0, &length) == 0
            }
        }
        guard bound else { throw SystemError("listen") }
        return (listener, UInt16(bigEndian: address.sin_port))
    }

    static func connectLocally(_ port: UInt16) throws -> Descriptor {
        let socket = Descriptor(owning: Glibc.socket(AF_INET, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0))
        var address = loopback(port)
        let result = withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                connect(socket.rawValue, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
        guard result == 0 else { throw SystemError("connect to", "\(port)") }
        return socket
    }

    private static func loopback(_ port: UInt16) -> sockaddr_in {
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = port.bigEndian
        address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
        return address
    }

    // MARK: Clients

    /// curl as a guest runs it, with the authority trusted. The page is followed by a line with the status.
    func curl(_ port: UInt16, _ path: String, host: String = "api.example.com", _ arguments: String...) async throws
        -> String
    {
        let output = try await run(
            [
                "curl", "-s", "-m", "60", "--cacert", certificate, "--connect-to", "\(host):443:127.0.0.1:\(port)",
                "-w",
                "\n%{http_code} %{http_version}",
            ] + arguments + ["https://\(host)\(path)"])
        return output.text
    }

    /// curl without TLS.
    func plainCurl(_ port: UInt16, _ path: String, host: String, _ arguments: String...) async throws -> String {
        try await run(
            ["curl", "-s", "-m", "20", "--connect-to", "\(host):80:127.0.0.1:\(port)", "-w", "\n%{http_code}"]
                + arguments
                + ["http://\(host)\(path)"]
        ).text
    }
}

extension SecretValues {
    /// These values.
    init(_ values: [String]) throws {
        try self.init()
        for value in values { try Array(value.utf8).withUnsafeBytes { try append($0) } }
    }
}
