#if canImport(FoundationEssentials)
    import FoundationEssentials
#else
    import Foundation
#endif
import AsyncHTTPClient
import OCI

/// What turns credentials into access tokens (Docker's token authentication specification, and its OAuth 2 variant).
struct TokenService: Sendable {
    /// An access token. No description of it is ever made.
    struct Token: Sendable {
        let value: String
        /// Until when it may be used without asking for a new one.
        let end: ContinuousClock.Instant
    }

    let redirects: RedirectFollower

    /// How long a token holds that does not say it, in seconds.
    private static let defaultLifetime = 60
    /// The longest token, in bytes.
    private static let maximumSize = 48 << 10

    /// Asks for a token.
    /// - Parameters:
    ///   - realm: the service's address.
    ///   - host: the registry, for messages.
    ///   - credential: a password, an identity token, or nothing.
    func token(
        realm: WebAddress, service: String?, scopes: [String], credential: Credential?, _ policy: TrustPolicy,
        _ what: String, host: String
    ) async throws(AttemptFailure) -> Token {
        if case .identityToken(let token) = credential {
            do {
                return try await self.token(
                    refreshing: token, realm: realm, service: service, scopes: scopes, policy, what, host: host)
            } catch {
                // Services that know nothing of OAuth 2 answer so.
                switch error.error {
                case .notFound, .refused(_, _, status: 405, _): break
                default: throw error
                }
            }
        }
        var address = realm
        var authorization: String?
        if let service { address = address.adding("service", service.queryEncoded) }
        for scope in scopes { address = address.adding("scope", scope.queryEncoded) }
        switch credential {
        case .password(let username, let password):
            address = address.adding("account", username.queryEncoded)
            authorization = basicAuthorization(username, password)
        case .identityToken(let token): authorization = basicAuthorization("<token>", token)
        case .registryToken, nil: break
        }
        let request = TransportRequest(
            method: .GET, address: address, responseTime: redirects.transport.limits.responseTime, what: what)
        return try await send(request, authorization, policy, isAnonymous: credential == nil, host: host)
    }

    private func token(
        refreshing refreshToken: String, realm: WebAddress, service: String?, scopes: [String], _ policy: TrustPolicy,
        _ what: String, host: String
    ) async throws(AttemptFailure) -> Token {
        let fields = [
            ("grant_type", "refresh_token"), ("service", service ?? ""), ("client_id", "sandpiper"),
            ("scope", scopes.joined(separator: " ")), ("refresh_token", refreshToken),
        ]
        let form = fields.map { "\($0)=\($1.queryEncoded)" }.joined(separator: "&")
        var request = TransportRequest(
            method: .POST, address: realm, body: .bytes(Array(form.utf8)), isConfidential: true,
            responseTime: redirects.transport.limits.responseTime, what: what)
        request.headers.add(name: "Content-Type", value: "application/x-www-form-urlencoded")
        return try await send(request, nil, policy, isAnonymous: false, host: host)
    }

    private struct Answer: Decodable {
        var token, accessToken: String?
        var expiresIn: Double?

        enum CodingKeys: String, CodingKey {
            case token
            case accessToken = "access_token"
            case expiresIn = "expires_in"
        }
    }

    private func send(
        _ request: TransportRequest, _ authorization: String?, _ policy: TrustPolicy, isAnonymous: Bool, host: String
    ) async throws(AttemptFailure) -> Token {
        let limits = redirects.transport.limits
        let what = request.what
        let service = request.address.origin.authority
        let isPassword = authorization != nil
        let body = try await redirects.exchange(request, authorization: authorization, policy) { response, meter, _ in
            guard response.status.code == 200 else {
                let failure = await ErrorAnswer.failure(
                    response, meter, limits, what, host: service, isAnonymous: isAnonymous)
                // Who may see nothing at all gets no token: to the user it is the registry that says so.
                switch failure.error {
                case .unauthorized, .forbidden:
                    throw AttemptFailure(.unauthorized(what, host: host, anonymous: isAnonymous))
                case .refused(_, _, status: 400, _) where isPassword:
                    throw AttemptFailure(.unauthorized(what, host: host, anonymous: false))
                default: throw failure
                }
            }
            return try await response.collect(meter, limit: ("answerSize", limits.answerSize), what)
        }
        func invalid(_ reason: String) -> AttemptFailure {
            AttemptFailure(.invalidAnswer(what, host: service, reason: reason))
        }
        guard let answer = try? BoundedJSON.decode(Answer.self, from: body, document: "token"),
            let value = [answer.token, answer.accessToken].compactMap(\.self).first(where: { !$0.isEmpty })
        else { throw invalid("the token service gives no token") }
        guard value.utf8.count <= Self.maximumSize, value.utf8.allSatisfy({ (0x21...0x7E).contains($0) }) else {
            throw invalid("what the token service gives is no token")
        }
        let lifetime = min(max(answer.expiresIn ?? Double(Self.defaultLifetime), 0), 86_400)
        // The clock of the service and the way there take a part of it.
        return Token(value: value, end: .now + .seconds(lifetime * 0.8))
    }
}

/// The value of the field `Authorization` for a name and a password (RFC 7617).
func basicAuthorization(_ username: String, _ password: String) -> String {
    "Basic " + Data("\(username):\(password)".utf8).base64EncodedString()
}

extension String {
    /// As a value in a query or a form (RFC 3986, section 2.3).
    var queryEncoded: String {
        let digits = Array("0123456789ABCDEF".utf8)
        var bytes: [UInt8] = []
        for byte in utf8 {
            switch byte {
            case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "-"), UInt8(ascii: "."), UInt8(ascii: "_"),
                UInt8(ascii: "~"):
                bytes.append(byte)
            default: bytes += [UInt8(ascii: "%"), digits[Int(byte >> 4)], digits[Int(byte & 15)]]
            }
        }
        return String(decoding: bytes, as: UTF8.self)
    }
}
