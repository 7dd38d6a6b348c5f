import TrafficInspection

/// What a request of either version of HTTP says before its body.
struct RequestHead: Equatable {
    var method: [UInt8]
    /// The target of HTTP/1 (RFC 9112 section 3.2), or `:path` of HTTP/2.
    var target: [UInt8]
    /// `:authority` of HTTP/2 (RFC 9113 section 8.3.1).
    var authority: [UInt8]?
    var fields: [HeaderField]
    /// Whether a secret's value is in the target.
    var targetIsSecret = false
}

/// The host that a request is for, from all places that name it.
enum RequestHost {
    /// Why a request names no host.
    enum Problem: Error, Equatable {
        /// It names none.
        case missing
        /// It names several, or what it names is none.
        case malformed
    }

    /// The host, when every place that names one agrees.
    static func of(_ head: RequestHead) throws(Problem) -> HostAndPort {
        var found: HostAndPort?
        func add(_ text: [UInt8]) throws(Problem) {
            guard let host = HostAndPort(text) else { throw .malformed }
            guard found == nil || found == host else { throw .malformed }
            found = host
        }
        let hosts = head.fields.values("host")
        guard hosts.count <= 1 else { throw .malformed }
        if let host = hosts.first { try add(host) }
        if let authority = head.authority { try add(authority) }
        if let authority = try targetAuthority(head.target) { try add(authority) }
        guard let found else { throw .missing }
        return found
    }

    /// The authority in a target in absolute form (RFC 9112 section 3.2.2); `nil` in the others that may come.
    private static func targetAuthority(_ target: [UInt8]) throws(Problem) -> [UInt8]? {
        if target.first == UInt8(ascii: "/") || target == [UInt8(ascii: "*")] { return nil }
        guard let colon = target.firstIndex(of: UInt8(ascii: ":")) else { throw .malformed }
        let scheme = target[..<colon].map(ASCII.lowercased)
        let rest = target[(colon + 1)...]
        guard scheme.elementsEqual("http".utf8) || scheme.elementsEqual("https".utf8), rest.starts(with: "//".utf8)
        else {
            throw .malformed
        }
        return Array(
            rest.dropFirst(2).prefix { $0 != UInt8(ascii: "/") && $0 != UInt8(ascii: "?") && $0 != UInt8(ascii: "#") })
    }
}
