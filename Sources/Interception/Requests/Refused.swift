import InterceptionProtocol

/// Why a request goes no further, for the guest and for the host.
struct Refused: Error, Equatable {
    /// The status of the answer (RFC 9110 section 15).
    var status: Int
    var reason: InterceptionEvent.Reason
    /// The host that was named.
    var name: String?
    /// The secret whose placeholder it was.
    var secret: String?
    /// One line.
    var detail: String

    /// The text of the page that the guest gets.
    var page: String { "Sandpiper: \(detail)\n" }

    /// The words for the status.
    var phrase: String {
        switch status {
        case 400: "Bad Request"
        case 403: "Forbidden"
        case 405: "Method Not Allowed"
        case 408: "Request Timeout"
        case 413: "Content Too Large"
        case 421: "Misdirected Request"
        default: "Bad Gateway"
        }
    }

    static func malformed(_ detail: String, name: String? = nil) -> Refused {
        Refused(status: 400, reason: .malformed, name: name, detail: detail)
    }

    static var tooLong: Refused {
        Refused(
            status: 413, reason: .limit,
            detail: "a body of more than \(RequestJudge.longestCollected) bytes cannot be searched for placeholders to"
                + " replace; send it without, or in another type")
    }
}
