import LinuxSystem

/// The credentials that the user has for registries: Sandpiper's own, then those of Docker's configuration.
public struct CredentialStore: Sendable {
    /// Where to look: `$SANDPIPER_HOME/auth.json`, then `$DOCKER_CONFIG/config.json` or `~/.docker/config.json`.
    public init(_ options: RegistryOptions) {}

    /// The credential for a repository, or for a registry when `path` is empty; `nil` when there is none.
    public func lookup(registry: String, path: String = "") async throws(RegistryError) -> Credential? { nil }

    /// Keeps a user's password for a registry in `$SANDPIPER_HOME/auth.json`, which only its owner can read.
    public func store(registry: String, username: String, password: String) throws(RegistryError) {}

    /// Forgets what ``store(registry:username:password:)`` has kept.
    /// - Returns: whether there was something.
    @discardableResult
    public func erase(registry: String) throws(RegistryError) -> Bool { false }
}
