import NetworkAddress
import NetworkPolicy

/// Why what a client said does not pass.
struct HandshakeRefusal {
    /// The rule that decided.
    let rule: String
    /// The name that was claimed.
    let name: DomainName?
    /// What is wrong beside that, in a few words.
    let detail: String?
    /// What the client is answered, where it speaks HTTP.
    let page: [UInt8]?

    /// A ruling against what was claimed.
    init(_ ruling: NetworkPolicy.Ruling, _ claim: NetworkPolicy.Claim) {
        rule = ruling.told
        name = claim.name
        detail = nil
        if case .http = claim {
            page = Self.page(name.map { "this sandbox may not reach \($0) here" } ?? "name the host that you mean")
        } else {
            page = nil
        }
    }

    /// What cannot be followed.
    init(malformed: String, isHTTP: Bool) {
        rule = "malformed"
        name = nil
        detail = malformed
        page = isHTTP ? Self.page("this request cannot be followed: \(malformed)") : nil
    }

    /// A page that says why, and ends the connection.
    private static func page(_ reason: String) -> [UInt8] {
        let body = "Refused by the network policy of this sandbox: \(reason).\n"
        let head =
            "HTTP/1.1 403 Forbidden\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: \(body.utf8.count)\r\n"
            + "Connection: close\r\nCache-Control: no-store\r\n\r\n"
        return Array((head + body).utf8)
    }
}
