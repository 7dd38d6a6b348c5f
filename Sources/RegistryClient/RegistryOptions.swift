/// How the user wants registries to be reached.
public struct RegistryOptions: Sendable {
    /// Files of PEM certificates (`--ca-cert`) that are trusted beside the system's, at every host.
    public var caCertificates: [String]
    /// Whether every registry may be reached without checking its certificate, and by plain HTTP (`--insecure`).
    public var insecure: Bool
    /// The absolute path of `SANDPIPER_HOME`, where `registries.json` and `auth.json` are.
    public var home: String
    /// The process's environment: proxies, `HOME`, `DOCKER_CONFIG`, and all that credential helpers need.
    public var environment: [String: String]
    /// Time, repetitions and memory.
    public var limits = RegistryLimits()

    /// Options with the usual limits.
    public init(
        caCertificates: [String] = [], insecure: Bool = false, home: String, environment: [String: String]
    ) {
        self.caCertificates = caCertificates
        self.insecure = insecure
        self.home = home
        self.environment = environment
    }
}
