import OCI

/// A registry, or a mirror of one, as requests reach it.
struct Remote: Hashable, Sendable {
    /// What the user calls it, and what its credentials are kept under: `docker.io`, `localhost:5000`.
    let name: String
    /// Where it may be, in the order in which to try.
    let origins: [Origin]
    /// What comes before `/v2/` in paths; empty or beginning with a slash.
    let prefix: String
    let policy: TrustPolicy

    /// A registry by its name in references; `nil` when the name has no usable port.
    init?(registry: String, isInsecure: Bool, certificateFiles: [String]) {
        name = registry
        // The hub's interface does not have the name of the hub.
        guard let address = WebAddress("https://\(registry == "docker.io" ? "registry-1.docker.io" : registry)/") else {
            return nil
        }
        let secure = address.origin
        let hasPort = registry.last != "]" && registry.split(separator: ":").count > 1
        let plain = Origin(scheme: .http, host: secure.host, port: hasPort ? secure.port : 80)
        origins = isInsecure || secure.host.isLoopbackHost ? [secure, plain] : [secure]
        prefix = ""
        policy = TrustPolicy(isInsecure: isInsecure, certificateFiles: certificateFiles)
    }

    /// A mirror by its URL.
    init(mirror: WebAddress, isInsecure: Bool, certificateFiles: [String]) {
        name = mirror.origin.authority
        origins = [mirror.origin]
        prefix = mirror.target.hasSuffix("/") ? String(mirror.target.dropLast()) : mirror.target
        policy = TrustPolicy(isInsecure: isInsecure, certificateFiles: certificateFiles)
    }

    /// The address of a path below `/v2/`.
    func address(_ path: String, at origin: Origin) -> WebAddress {
        WebAddress(origin: origin, target: "\(prefix)/v2/\(path)")
    }
}

/// What was found out about remotes: by which scheme they speak, and which do not answer at all.
actor RemoteFinder {
    private let transport: HTTPTransport
    private var found: [Remote: Origin] = [:]
    private var unreachable: Set<Remote> = []

    init(_ transport: HTTPTransport) { self.transport = transport }

    /// Whether a connection to a mirror has failed before.
    func isUnreachable(_ remote: Remote) -> Bool { unreachable.contains(remote) }

    /// Remembers that no connection to a mirror comes about.
    func setUnreachable(_ remote: Remote) { unreachable.insert(remote) }

    /// Where a remote is: the first origin that answers. Plain HTTP comes into question only where the host is this one
    /// or the user has allowed it, and only when what is there speaks no TLS.
    func origin(of remote: Remote, _ what: String) async throws(AttemptFailure) -> Origin {
        if let origin = found[remote] { return origin }
        guard let secure = remote.origins.first, let plain = remote.origins.dropFirst().first else {
            guard let only = remote.origins.first else { preconditionFailure("a remote has an origin") }
            return only
        }
        do {
            _ = try await status(remote, secure, what)
            found[remote] = secure
            return secure
        } catch {
            guard case .connection = error.error else { throw error }
            let status: UInt
            do { status = try await self.status(remote, plain, what) } catch let second {
                // What speaks TLS badly does not speak HTTP at all: its first failure says more.
                throw error.isWithoutTLS ? error : second
            }
            // A server of TLS tells so who speaks plainly to it.
            guard status != 400 else { throw error }
            found[remote] = plain
            return plain
        }
    }

    private func status(_ remote: Remote, _ origin: Origin, _ what: String) async throws(AttemptFailure) -> UInt {
        let request = TransportRequest(
            method: .GET, address: remote.address("", at: origin), responseTime: transport.limits.responseTime,
            what: what)
        let limits = transport.limits
        return try await transport.exchange(request, remote.policy) { response, meter in
            _ = try? await response.collect(meter, limit: ("answerSize", limits.answerSize), what)
            return response.status.code
        }
    }
}
