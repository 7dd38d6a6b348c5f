import OCI

/// Pulls from and pushes to registries (OCI distribution specification 1.1, Docker Registry HTTP API V2).
///
/// Connections are kept until ``shutdown()``, which has to be called before the last reference goes.
public struct RegistryClient: Sendable {
    let session: RegistrySession
    let configuration: RegistryConfiguration
    let options: RegistryOptions
    let retries: RetryPolicy

    /// Reads the settings; connects to nothing yet.
    /// - Throws: ``RegistryError/configuration(path:reason:)``, ``RegistryError/proxy(variable:reason:)`` or
    ///   ``RegistryError/system(_:)``.
    public init(_ options: RegistryOptions) throws(RegistryError) {
        self.options = options
        configuration = try RegistryConfiguration(path: options.home + "/registries.json")
        let proxies = try ProxySettings(environment: options.environment)
        let transport = HTTPTransport(proxies: proxies, limits: options.limits)
        let redirects = RedirectFollower(transport: transport)
        session = RegistrySession(
            redirects: redirects, finder: RemoteFinder(transport),
            authenticator: Authenticator(CredentialStore(options), TokenService(redirects: redirects)))
        retries = RetryPolicy(limits: options.limits)
    }

    /// Closes all connections. The client is of no use afterwards.
    public func shutdown() async { await session.redirects.transport.shutdown() }

    /// The registry itself, by any spelling of its name.
    func registry(_ spelling: String) throws(RegistryError) -> Remote {
        let name = DockerConfiguration.key(spelling)
        let settings = configuration.settings(for: name)
        let remote = Remote(
            registry: name, isInsecure: options.insecure || settings.insecure,
            certificateFiles: options.caCertificates + [settings.caCertificate].compactMap(\.self))
        guard let remote else {
            throw .connection("registry", host: name, reason: "that is no host name with a port of 1 to 65535")
        }
        return remote
    }

    /// The mirrors of a registry, in the order in which they are asked.
    private func mirrors(_ name: String) -> [Remote] {
        configuration.settings(for: name).mirrors.map { mirror in
            let settings = configuration.settings(for: mirror.origin.authority)
            return Remote(
                mirror: mirror, isInsecure: options.insecure || settings.insecure,
                certificateFiles: options.caCertificates + [settings.caCertificate].compactMap(\.self))
        }
    }

    /// Asks the mirrors once each and then the registry, as often as it takes.
    /// - Parameter progress: how many bytes there are in all; see ``RetryPolicy/repeating(attempts:progress:_:)``.
    func pull<Result: Sendable>(
        _ reference: Reference, progress: () async -> Int64 = { 0 },
        _ body: (Remote) async throws(AttemptFailure) -> Result
    ) async throws(RegistryError) -> Result {
        for mirror in mirrors(reference.registry) where await !session.finder.isUseless(mirror) {
            do {
                return try await retries.repeating(attempts: 1, progress: progress) { () throws(AttemptFailure) in
                    try await body(mirror)
                }
            } catch {
                // What is wrong at this end does not get better elsewhere.
                switch error.error {
                case .cancelled, .local, .configuration, .helper, .system: throw error.error
                case .connection, .tooSlow: await session.finder.setUseless(mirror)
                default: break
                }
            }
        }
        let registry = try registry(reference.registry)
        return try await repeating(progress: progress) { () throws(AttemptFailure) in try await body(registry) }
    }

    /// Repeats what may fail for a while.
    func repeating<Result>(
        progress: () async -> Int64 = { 0 }, _ body: () async throws(AttemptFailure) -> Result
    ) async throws(RegistryError) -> Result {
        do {
            return try await retries.repeating(attempts: options.limits.attempts, progress: progress, body)
        } catch { throw error.error }
    }
}
