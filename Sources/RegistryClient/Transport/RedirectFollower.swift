import AsyncHTTPClient
import NIOHTTP1

/// Follows redirects (RFC 9110, section 15.4) without carrying credentials to another origin.
struct RedirectFollower: Sendable {
    let transport: HTTPTransport

    private enum Outcome<Result: Sendable>: Sendable {
        case done(Result)
        case moved(to: String)
    }

    /// Sends a request, and sends it anew to where the answer says.
    /// - Parameters:
    ///   - authorization: the value of the field `Authorization`; it goes to the first origin only.
    ///   - read: reads the answer that is no redirect, and learns whether it comes from another origin.
    func exchange<Result: Sendable>(
        _ request: TransportRequest, authorization: String?, _ policy: TrustPolicy,
        read: @escaping @Sendable (HTTPClientResponse, TransferMeter, _ isElsewhere: Bool) async throws -> Result
    ) async throws(AttemptFailure) -> Result {
        var request = request
        var seen: Set<WebAddress> = []
        var isElsewhere = false
        let first = request.address.origin
        if let authorization { request.headers.replaceOrAdd(name: "Authorization", value: authorization) }
        while true {
            seen.insert(request.address)
            let limits = transport.limits
            let (method, what, elsewhere) = (request.method, request.what, isElsewhere)
            let outcome = try await transport.exchange(request, policy) { response, meter -> Outcome<Result> in
                if let location = response.headers.first(name: "Location"), Self.moves(method, response.status) {
                    // What is read of the answer lets the connection be used again.
                    _ = try await response.collect(meter, limit: ("answerSize", limits.answerSize), what)
                    return .moved(to: location)
                }
                return .done(try await read(response, meter, elsewhere))
            }
            switch outcome {
            case .done(let result): return result
            case .moved(let location):
                request.address = try next(location, request, seen)
                if request.address.origin != first { isElsewhere = true }
                // Once it has left, it does not come back: who sent it back is not who it was meant for.
                if isElsewhere { request.headers.remove(name: "Authorization") }
            }
        }
    }

    private static func moves(_ method: HTTPMethod, _ status: HTTPResponseStatus) -> Bool {
        switch status.code {
        case 307, 308: true
        // These turn other methods into GET, which means nothing in the protocol of registries.
        case 301, 302, 303: method == .GET || method == .HEAD
        default: false
        }
    }

    /// Where to go on.
    func next(
        _ location: String, _ request: TransportRequest, _ seen: Set<WebAddress>
    ) throws(AttemptFailure) -> WebAddress {
        let current = request.address
        func refuse(_ reason: String) -> AttemptFailure {
            AttemptFailure(.redirect(request.what, host: current.origin.authority, reason: reason))
        }
        guard location.utf8.count <= transport.limits.addressSize else {
            throw refuse("its address exceeds the limit addressSize of \(transport.limits.addressSize) bytes")
        }
        guard let next = WebAddress(location, relativeTo: current) else {
            throw refuse("its address is no URL of HTTP")
        }
        guard next.origin.scheme == .https || current.origin.scheme == .http else {
            throw refuse("it leads from https to plain http at \(next.origin.authority)")
        }
        guard next.origin == current.origin || !request.isConfidential else {
            throw refuse("it leads to \(next.origin.authority), which must not get the user's token")
        }
        guard !seen.contains(next) else { throw refuse("it leads in a loop") }
        guard seen.count <= transport.limits.redirects else {
            throw refuse("there are more than the limit redirects of \(transport.limits.redirects)")
        }
        return next
    }
}
