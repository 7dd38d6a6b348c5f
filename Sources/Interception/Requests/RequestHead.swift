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
        func add(_ host: HostAndPort?) throws(Problem) {
            guard let host else { throw .malformed }
            guard found == nil || found == host else { throw .malformed }
            found = host
        }
        let hosts = head.fields.values("host")
        guard hosts.count <= 1 else { throw .malformed }
        if let host = hosts.first { try add(HostAndPort(host)) }
        if let authority = head.authority { try add(HostAndPort(authority)) }
        do {
            if let authority = try HostAndPort.named(inTarget: head.target) { try add(authority) }
        } catch { throw .malformed }
        guard let found else { throw .missing }
        return found
    }
}
