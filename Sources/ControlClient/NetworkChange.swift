import Control
import NetworkPolicy
import SandboxState

/// A change of a sandbox's network, whether it runs or not.
public enum NetworkChange: Sendable {
    /// Another policy.
    case policy(NetworkPolicy)
    /// Further ports.
    case publish([PublishedPort])
    /// Ports no more.
    case withdraw([PublishedPort])

    private var request: ControlRequest {
        switch self {
        case .policy(let policy): .setPolicy(policy)
        case .publish(let ports): .publish(ports)
        case .withdraw(let ports): .withdraw(ports)
        }
    }

    /// Makes the change: now when the sandbox runs, and in any case for its next start.
    /// - Returns: the ports that were published.
    /// - Throws: `ControlError`, `StateError`.
    @discardableResult
    public func apply(to directory: SandboxDirectory) throws -> [PublishedPort] {
        if directory.isOwned {
            guard case .ports(let ports) = try ControlConnection(to: directory).request(request) else { return [] }
            return ports
        }
        let lock = try directory.claim()
        defer {
            directory.release()
            withExtendedLifetime(lock) {}
        }
        var record = try RecordFile.read(SandboxRecord.self, from: directory.record)
        var settings = record.network
        switch self {
        case .policy(let policy): settings.policy = policy
        case .publish(let ports):
            for port in ports where settings.ports.contains(port) {
                throw StateError.badPort("\(port)", reason: "it is published already")
            }
            settings.ports += ports
        case .withdraw(let ports):
            for port in ports where !settings.ports.contains(port) {
                throw StateError.badPort("\(port)", reason: "it is not published")
            }
            settings.ports.removeAll { ports.contains($0) }
        }
        record.networkSettings = settings
        try RecordFile.write(record, to: directory.record, durable: true)
        guard case .publish(let ports) = self else { return [] }
        return ports
    }
}
