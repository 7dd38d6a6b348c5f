/// What a user proves to a registry. No description of it shows the secret.
public enum Credential: Hashable, Sendable {
    /// A user's name and password, or a token in its place.
    case password(username: String, password: String)
    /// A refresh token of OAuth 2, which the registry's token service turns into access tokens.
    case identityToken(String)
    /// An access token that is sent as it is.
    case registryToken(String)
}

extension Credential: CustomStringConvertible, CustomDebugStringConvertible, CustomReflectable {
    /// The kind only.
    public var description: String {
        switch self {
        case .password: "a password"
        case .identityToken: "an identity token"
        case .registryToken: "a registry token"
        }
    }

    /// The kind only.
    public var debugDescription: String { description }

    /// No children: `dump` shows the kind only.
    public var customMirror: Mirror { Mirror(self, children: []) }
}
