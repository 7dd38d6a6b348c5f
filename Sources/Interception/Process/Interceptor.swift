import InterceptionProtocol
import LinuxSystem
import NIOCore

/// The connections of one sandbox, and what they share.
///
/// Sound as Sendable since everything but ``accept(_:guest:server:)`` happens on its event loop.
final class Interceptor: @unchecked Sendable {
    /// Most connections at once; the gateway has a limit of its own.
    private static let mostConnections = 10_000

    let configuration: InterceptionConfiguration
    let secrets: SecretStore
    let upstream: UpstreamContexts
    let guests: GuestContexts
    let events: EventSender
    private let loop: any EventLoop
    private var connections: [ObjectIdentifier: InterceptedConnection] = [:]

    init(
        _ configuration: InterceptionConfiguration, secrets: SecretStore, upstream: UpstreamContexts,
        guests: GuestContexts, events: EventSender, loop: any EventLoop
    ) {
        self.configuration = configuration
        self.secrets = secrets
        self.upstream = upstream
        self.guests = guests
        self.events = events
        self.loop = loop
    }

    /// Takes over a connection, from any thread.
    func accept(_ order: ConnectionOrder, guest: Descriptor, server: Descriptor) {
        loop.execute { [self] in
            let connection = InterceptedConnection(order, self, loop)
            guard connections.count < Self.mostConnections else {
                connection.report(Refused(status: 502, reason: .limit, detail: "too many connections at once"))
                events.say(.closed(connection.account))
                return
            }
            connections[ObjectIdentifier(connection)] = connection
            connection.open(guest: guest, server: server)
        }
    }

    /// A connection is over.
    func ended(_ connection: InterceptedConnection) {
        connections[ObjectIdentifier(connection)] = nil
        events.say(.closed(connection.account))
    }
}
