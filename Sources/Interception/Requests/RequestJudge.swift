import ForeignText
import InterceptionProtocol
import NetworkAddress
import TrafficInspection

/// Decides about the requests of one connection: whether the host that they name may be named, and which secrets go along.
struct RequestJudge {
    /// What must still be done with a body.
    enum BodyTreatment: Equatable {
        /// It passes.
        case pass
        /// It passes while it is searched for placeholders.
        case scan
        /// It is held until it is complete, since placeholders in it are replaced.
        case collect(SecretDescription.Place)
    }

    /// What becomes of a request that is not refused.
    struct Passed: Equatable {
        var body = BodyTreatment.pass
        /// The host, when one is named.
        var host: HostName?
        /// Which secrets may go to it.
        var allowed: Set<Int> = []
        /// Placeholders that were left as they are, though their secrets may go to the host.
        var unreplaced: Set<Int> = []
    }

    /// Most bytes of a body in which placeholders are replaced.
    static let longestCollected = 1 << 20

    let order: ConnectionOrder
    /// The host of the ClientHello; `nil` without one, or without a name in it.
    let serverName: HostName?
    /// Whether the server proved in the handshake to be ``serverName``, or to have the address.
    let isVerified: Bool
    let secrets: SecretStore

    // MARK: Heads

    /// Decides about a head, and puts values in the place of placeholders.
    func judge(_ head: inout RequestHead) throws(Refused) -> Passed {
        guard !head.method.elementsEqual("CONNECT".utf8) else {
            throw Refused(status: 405, reason: .malformed, detail: "CONNECT is not carried within other connections")
        }
        var passed = Passed()
        passed.host = try host(of: head)
        guard !secrets.scanner.isEmpty else { return passed }
        passed.allowed = allowed(at: passed.host)
        passed.body = treatment(of: head, allowed: passed.allowed)
        let name = passed.host?.description
        try replaceInTarget(&head, &passed, name)
        for index in head.fields.indices {
            try replace(in: &head.fields[index], &passed, name)
        }
        return passed
    }

    private func host(of head: RequestHead) throws(Refused) -> HostName? {
        let named: HostAndPort
        do {
            named = try RequestHost.of(head)
        } catch .missing {
            guard order.names != nil else { return nil }
            throw Refused(
                status: 403, reason: .name, detail: "the request names no host, and only named hosts are allowed here")
        } catch {
            throw .malformed("the request does not say clearly which host it is for")
        }
        guard let names = order.names else { return named.host }
        let text = named.host.description
        guard names.contains(where: { $0.matches(named.host, port: order.port) }) else {
            throw Refused(
                status: 403, reason: .name, name: text,
                detail: "\(text) is not allowed by this sandbox's network policy")
        }
        guard serverName == nil || serverName == named.host else {
            throw Refused(
                status: 421, reason: .name, name: text,
                detail: "the request is for \(text), but the connection was opened for \(serverName?.description ?? "")"
            )
        }
        return named.host
    }

    // MARK: Secrets

    /// Which secrets may go to the host that a request names.
    func allowed(at host: HostName?) -> Set<Int> {
        guard let host else { return [] }
        return Set(
            secrets.descriptions.indices.filter { index in
                let secret = secrets.descriptions[index]
                guard secret.hosts.contains(where: { $0.matches(host, port: order.port) }) else { return false }
                switch order.scheme {
                case .tls:
                    // The server is who the handshake was for, whatever the request says.
                    let proven = serverName ?? .address(order.address)
                    return isVerified && secret.hosts.contains { $0.matches(proven, port: order.port) }
                case .http:
                    return secret.allowsPlainHTTP
                        && order.resolvedNames.contains { $0.matches(host, port: order.port) }
                }
            })
    }

    /// Which secrets may be part of bytes that are no HTTP.
    var allowedUnread: Set<Int> { order.scheme == .tls ? allowed(at: serverName ?? .address(order.address)) : [] }

    /// Why a placeholder goes no further.
    func refusal(of index: Int, name: String?) -> Refused {
        let secret = secrets.descriptions[index].name.excerpt(128)
        return Refused(
            status: 403, reason: .placeholder, name: name, secret: secret,
            detail: "the placeholder of secret \(secret) was on its way to \(name ?? "a host without a name")"
                + ", where that secret may not go")
    }

    /// Sorts placeholders that were found and will not be replaced.
    /// - Throws: ``Refused`` for one that may not go to the host.
    func accept(_ found: Set<Int>, _ passed: inout Passed) throws(Refused) {
        if let index = found.subtracting(passed.allowed).min() {
            throw refusal(of: index, name: passed.host?.description)
        }
        passed.unreplaced.formUnion(found)
    }

    private func places(_ hits: [PlaceholderScanner.Hit], at place: SecretDescription.Place) -> [PlaceholderScanner.Hit]
    {
        hits.filter { secrets.descriptions[$0.index].places.contains(place) }
    }

    private func replaceInTarget(_ head: inout RequestHead, _ passed: inout Passed, _ name: String?) throws(Refused) {
        var found = secrets.scanner.found(in: head.target)
        found.formUnion(secrets.scanner.foundIgnoringCase(in: head.target))
        found.formUnion(secrets.scanner.foundIgnoringCase(in: head.authority ?? []))
        guard !found.isEmpty else { return }
        var ignored = passed
        try accept(found, &ignored)
        let query = head.target.firstIndex(of: UInt8(ascii: "?")) ?? head.target.endIndex
        let hits = places(secrets.scanner.hits(in: head.target).filter { $0.start > query }, at: .query)
        if !hits.isEmpty {
            head.target = secrets.replacing(hits, in: head.target, .percent)
            head.targetIsSecret = true
        }
        passed.unreplaced.formUnion(found.subtracting(hits.map(\.index)))
    }

    private func replace(in field: inout HeaderField, _ passed: inout Passed, _ name: String?) throws(Refused) {
        let scanner = secrets.scanner
        try accept(scanner.foundIgnoringCase(in: field.name), &passed)
        if field.isNamed("authorization") || field.isNamed("proxy-authorization"),
            try replaceBasic(in: &field, &passed)
        {
            return
        }
        var found = scanner.found(in: field.value)
        if field.isNamed("host") { found.formUnion(scanner.foundIgnoringCase(in: field.value)) }
        guard !found.isEmpty else { return }
        if let index = found.subtracting(passed.allowed).min() { throw refusal(of: index, name: name) }
        let hits = places(scanner.hits(in: field.value), at: .headers)
        // The host is a name, and no place for a value.
        if !hits.isEmpty, !field.isNamed("host") {
            field.value = secrets.replacing(hits, in: field.value, .none)
            field.isSecret = true
            found.subtract(hits.map(\.index))
        }
        passed.unreplaced.formUnion(found)
    }

    /// - Returns: whether the field has credentials of basic authentication.
    private func replaceBasic(in field: inout HeaderField, _ passed: inout Passed) throws(Refused) -> Bool {
        let scheme = field.value.prefix { $0 != 32 }
        guard scheme.map(ASCII.lowercased).elementsEqual("basic".utf8),
            var credentials = Base64.decoded(ASCII.trimmed(field.value.dropFirst(scheme.count)))
        else { return false }
        let found = secrets.scanner.found(in: credentials)
        // Also in the text itself, which some client may send as it is.
        var others = secrets.scanner.found(in: field.value)
        if let index = found.union(others).subtracting(passed.allowed).min() {
            throw refusal(of: index, name: passed.host?.description)
        }
        let hits = places(secrets.scanner.hits(in: credentials), at: .basic)
        if !hits.isEmpty {
            credentials = secrets.replacing(hits, in: credentials, .none)
            field.value = Array(scheme) + [32] + Base64.encoded(credentials)
            field.isSecret = true
        }
        others.formUnion(found.subtracting(hits.map(\.index)))
        passed.unreplaced.formUnion(others)
        return true
    }

    // MARK: Bodies

    private func treatment(of head: RequestHead, allowed: Set<Int>) -> BodyTreatment {
        let type = head.fields.values("content-type").first ?? []
        let name = ASCII.trimmed(type.prefix { $0 != UInt8(ascii: ";") }).map(ASCII.lowercased)
        let place: SecretDescription.Place
        if name.elementsEqual("application/x-www-form-urlencoded".utf8) {
            place = .form
        } else if name.elementsEqual("application/json".utf8)
            || name.starts(with: "application/".utf8) && name.suffix(5).elementsEqual("+json".utf8)
        {
            place = .json
        } else {
            return .scan
        }
        // A compressed body cannot be changed.
        let codings = head.fields.members("content-encoding").filter { !$0.elementsEqual("identity".utf8) }
        guard codings.isEmpty, allowed.contains(where: { secrets.descriptions[$0].places.contains(place) }) else {
            return .scan
        }
        return .collect(place)
    }

    /// A complete body with values in the place of placeholders.
    func replaced(
        _ body: [UInt8], _ place: SecretDescription.Place, _ passed: inout Passed
    ) throws(Refused) -> [UInt8] {
        let found = secrets.scanner.found(in: body)
        guard !found.isEmpty else { return body }
        if let index = found.subtracting(passed.allowed).min() {
            throw refusal(of: index, name: passed.host?.description)
        }
        let hits = places(secrets.scanner.hits(in: body), at: place)
        passed.unreplaced.formUnion(found.subtracting(hits.map(\.index)))
        return secrets.replacing(hits, in: body, place == .json ? .json : .percent)
    }
}
