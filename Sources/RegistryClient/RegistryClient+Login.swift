import OCI

extension RegistryClient {
    /// Checks that a registry accepts a user's password, for `login`.
    /// - Throws: ``RegistryError``; ``RegistryError/unauthorized(_:host:anonymous:)`` when it does not.
    public func checkCredentials(
        registry: String, username: String, password: String
    ) async throws(RegistryError) {
        let remote = try self.registry(registry)
        let credential = Credential.password(username: username, password: password)
        try await repeating { () throws(AttemptFailure) in
            try await session.check(credential, at: remote, "login to \(registry)")
        }
    }
}

extension RegistrySession {
    /// Asks for a registry's front door with a credential, whatever credentials are kept.
    fileprivate func check(_ credential: Credential, at remote: Remote, _ what: String) async throws(AttemptFailure) {
        let origin = try await finder.origin(of: remote, what)
        let limits = redirects.transport.limits
        let request = TransportRequest(
            method: .GET, address: remote.address("", at: origin), responseTime: limits.responseTime, what: what)
        // `nil`: it lets everyone in.
        let challenges = try await redirects.exchange(request, authorization: nil, remote.policy) {
            response, meter, isElsewhere -> [AuthenticationChallenge]? in
            let status = response.status.code
            guard status == 200 || (status == 401 && !isElsewhere) else {
                throw await ErrorAnswer.failure(response, meter, limits, what, host: remote.name, isAnonymous: true)
            }
            return status == 200 ? nil : AuthenticationChallenge.parse(response.headers["WWW-Authenticate"])
        }
        guard let challenges else { return }
        let authorization = try await authenticator.authorization(challenges, remote, at: origin, credential, what)
        try await redirects.exchange(request, authorization: authorization.value, remote.policy) { response, meter, _ in
            guard response.status.code == 200 else {
                throw await ErrorAnswer.failure(response, meter, limits, what, host: remote.name, isAnonymous: false)
            }
        }
    }
}
