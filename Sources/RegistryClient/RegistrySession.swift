import AsyncHTTPClient
import NIOHTTP1

/// Speaks to registries: finds where they are, proves who the user is, follows redirects.
struct RegistrySession: Sendable {
    let redirects: RedirectFollower
    let finder: RemoteFinder
    let authenticator: Authenticator

    private enum Outcome<Result: Sendable>: Sendable {
        case done(Result)
        case challenged([AuthenticationChallenge])
    }

    /// Makes a call once.
    /// - Parameter read: reads an answer of an accepted status.
    func attempt<Result: Sendable>(
        _ call: RegistryCall, at remote: Remote,
        read: @escaping @Sendable (HTTPClientResponse, TransferMeter) async throws -> Result
    ) async throws(AttemptFailure) -> Result {
        let limits = redirects.transport.limits
        let origin = try await finder.origin(of: remote, call.what)
        let address =
            switch call.target {
            case .path(let path): remote.address(path, at: origin)
            case .address(let address): address
            }
        let request = TransportRequest(
            method: call.method, address: address, headers: call.headers, body: call.body,
            responseTime: call.responseTime ?? limits.responseTime, what: call.what)
        // An address elsewhere has its own proof in it, and gets none of this registry's.
        let isOwn = address.origin == origin
        var authorization = Authenticator.Authorization(value: nil, isAnonymous: true)
        if isOwn {
            authorization = try await authenticator.authorization(for: remote, at: origin, call.scopes, call.what)
        }
        var canAnswer = isOwn
        while true {
            let (answerable, isAnonymous) = (canAnswer, authorization.isAnonymous)
            let outcome = try await redirects.exchange(
                request, authorization: authorization.value, remote.policy
            ) { response, meter, isElsewhere -> Outcome<Result> in
                let status = response.status.code
                if status == 401, answerable, !isElsewhere {
                    let challenges = AuthenticationChallenge.parse(response.headers["WWW-Authenticate"])
                    _ = try? await response.collect(meter, limit: ("answerSize", limits.answerSize), call.what)
                    return .challenged(challenges)
                }
                guard call.accepted.contains(status) else {
                    throw await ErrorAnswer.failure(
                        response, meter, limits, call.what, host: remote.name, isAnonymous: isAnonymous)
                }
                return .done(try await read(response, meter))
            }
            switch outcome {
            case .done(let result): return result
            case .challenged(let challenges):
                canAnswer = false
                authorization = try await authenticator.answer(challenges, remote, at: origin, call.scopes, call.what)
            }
        }
    }
}
