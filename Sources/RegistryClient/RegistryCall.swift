import NIOHTTP1

/// One request to a registry, as the protocol of registries sees it.
struct RegistryCall: Sendable {
    enum Target: Sendable {
        /// A path below `/v2/`.
        case path(String)
        /// Where an earlier answer has sent this client to.
        case address(WebAddress)
    }

    var method: HTTPMethod = .GET
    var target: Target
    var headers = HTTPHeaders()
    var body = TransportRequest.Body.none
    /// The repositories to be used, and for what. The first one tells which credential counts.
    var scopes: [RepositoryScope]
    /// The statuses of answers that are read; all others are errors.
    var accepted: Set<UInt> = [200]
    var responseTime: Duration?
    /// What the request is for, for messages.
    var what: String
}
