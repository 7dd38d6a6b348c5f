import OCI

/// Knows what to send as `Authorization` to each registry, and learns it from the registries' challenges.
actor Authenticator {
    /// What goes with a request.
    struct Authorization: Sendable {
        /// The value of the field; `nil` when nothing is sent.
        let value: String?
        /// Whether no credential of the user stands behind it.
        let isAnonymous: Bool
    }

    private struct TokenKey: Hashable {
        let remote: Remote
        let scopes: [RepositoryScope]
    }

    private let credentials: CredentialStore
    private let tokens: TokenService
    private var challenges: [Remote: AuthenticationChallenge] = [:]
    private var issued: [TokenKey: TokenService.Token] = [:]
    private var lookedUp: [String: Credential?] = [:]

    init(_ credentials: CredentialStore, _ tokens: TokenService) {
        self.credentials = credentials
        self.tokens = tokens
    }

    /// What to send before the registry has said anything this time: what it has asked for earlier.
    /// - Parameter origin: where the remote is; by plain HTTP its token service may be, too.
    func authorization(
        for remote: Remote, at origin: Origin, _ scopes: [RepositoryScope], _ what: String
    ) async throws(AttemptFailure) -> Authorization {
        guard let challenge = challenges[remote] else { return Authorization(value: nil, isAnonymous: true) }
        let credential = try await credential(remote, scopes)
        if challenge.scheme == "bearer", let token = issued[TokenKey(remote: remote, scopes: scopes)], token.end > .now
        {
            return Authorization(value: "Bearer \(token.value)", isAnonymous: credential == nil)
        }
        return try await authorization(challenge, remote, origin, scopes, credential, what)
    }

    /// What to send to a registry that has refused a request with these challenges. What it has had before does not
    /// count any more.
    func answer(
        _ offered: [AuthenticationChallenge], _ remote: Remote, at origin: Origin, _ scopes: [RepositoryScope],
        _ what: String
    ) async throws(AttemptFailure) -> Authorization {
        issued[TokenKey(remote: remote, scopes: scopes)] = nil
        let challenge = try Self.choose(offered, remote, what)
        challenges[remote] = challenge
        return try await authorization(challenge, remote, origin, scopes, try await credential(remote, scopes), what)
    }

    /// What to send to a registry that has refused a request, to prove one certain credential.
    func authorization(
        _ offered: [AuthenticationChallenge], _ remote: Remote, at origin: Origin, _ credential: Credential,
        _ what: String
    ) async throws(AttemptFailure) -> Authorization {
        try await authorization(Self.choose(offered, remote, what), remote, origin, [], credential, what)
    }

    private static func choose(
        _ offered: [AuthenticationChallenge], _ remote: Remote, _ what: String
    ) throws(AttemptFailure) -> AuthenticationChallenge {
        let known = ["bearer", "basic"].compactMap { scheme in offered.first { $0.scheme == scheme } }
        if let challenge = known.first { return challenge }
        let list = offered.map(\.scheme).joined(separator: ", ")
        let wish = list.isEmpty ? "it refuses without saying what it wants" : "it wants authentication by \(list)"
        throw AttemptFailure(.invalidAnswer(what, host: remote.name, reason: "\(wish); known are Bearer and Basic"))
    }

    private func authorization(
        _ challenge: AuthenticationChallenge, _ remote: Remote, _ origin: Origin, _ scopes: [RepositoryScope],
        _ credential: Credential?, _ what: String
    ) async throws(AttemptFailure) -> Authorization {
        if case .registryToken(let token) = credential {
            return Authorization(value: "Bearer \(token)", isAnonymous: false)
        }
        guard challenge.scheme == "bearer" else {
            guard case .password(let username, let password) = credential else {
                throw AttemptFailure(.unauthorized(what, host: remote.name, anonymous: credential == nil))
            }
            return Authorization(value: basicAuthorization(username, password), isAnonymous: false)
        }
        func invalid(_ reason: String) -> AttemptFailure {
            AttemptFailure(.invalidAnswer(what, host: remote.name, reason: reason))
        }
        guard let text = challenge.parameters["realm"],
            text.utf8.count <= tokens.redirects.transport.limits.addressSize,
            let realm = WebAddress(text)
        else { throw invalid("its token service has no URL") }
        guard realm.origin.scheme == .https || origin.scheme == .http else {
            throw invalid("its token service at \(realm.origin.authority) is reached by plain http")
        }
        var texts = scopes.map(\.text)
        // A registry behind another one may ask for a repository by another name.
        if let asked = challenge.parameters["scope"], !scopes.isEmpty, asked.utf8.count <= 1024 {
            texts += asked.split(separator: " ").map(String.init).filter { !texts.contains($0) }
        }
        let token = try await tokens.token(
            realm: realm, service: challenge.parameters["service"], scopes: texts, credential: credential,
            remote.policy, what, host: remote.name)
        issued[TokenKey(remote: remote, scopes: scopes)] = token
        return Authorization(value: "Bearer \(token.value)", isAnonymous: credential == nil)
    }

    /// Looks up a credential once: a helper may take long, or ask the user.
    private func credential(_ remote: Remote, _ scopes: [RepositoryScope]) async throws(AttemptFailure) -> Credential? {
        let path = scopes.first?.path ?? ""
        let key = "\(remote.name)/\(path)"
        if let known = lookedUp[key] { return known }
        do {
            let found = try await credentials.lookup(registry: remote.name, path: path)
            lookedUp[key] = .some(found)
            return found
        } catch { throw AttemptFailure(error) }
    }
}
