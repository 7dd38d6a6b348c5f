import InterceptionProtocol

/// How a sandbox's TLS connections are opened on the host, and which secrets are put into its requests there.
public struct InterceptionSettings: Codable, Equatable, Sendable {
    /// Servers whose connections are not opened.
    public var bypassedHosts: [HostPattern] = []
    /// Servers whose certificates are not verified.
    public var unverifiedHosts: [HostPattern] = []
    /// Files of certificates (PEM) that servers may be verified with beside the system's; absolute paths.
    public var authorities: [String] = []
    /// The secrets.
    public var secrets: [SecretReference] = []

    /// Interception without exceptions and secrets.
    public init() {}

    /// Whether all of it can be used together.
    /// - Throws: ``StateError/badSecret(_:reason:)``.
    public func check() throws(StateError) {
        for (index, secret) in secrets.enumerated() where secrets[..<index].contains(where: { $0.name == secret.name })
        {
            throw .badSecret(secret.name, reason: "it is given twice")
        }
        do throws(InterceptionError) {
            try InterceptionConfiguration(authorityDirectory: "", secrets: secrets.map(\.description)).check()
        } catch {
            if case .badSecret(let name, let reason) = error { throw .badSecret(name, reason: reason) }
            throw .badSecret("", reason: "\(error)")
        }
    }
}
