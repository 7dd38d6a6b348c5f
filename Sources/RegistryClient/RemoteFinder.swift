/// What was found out about remotes: by which scheme they speak, and which do not answer at all.
actor RemoteFinder {
    private let transport: HTTPTransport
    private var found: [Remote: Origin] = [:]
    private var useless: Set<Remote> = []

    init(_ transport: HTTPTransport) { self.transport = transport }

    /// Whether a mirror did not answer, or too slowly, before.
    func isUseless(_ mirror: Remote) -> Bool { useless.contains(mirror) }

    /// Remembers that a mirror is not worth asking again.
    func setUseless(_ mirror: Remote) { useless.insert(mirror) }

    /// Where a remote is: the first origin that answers. Plain HTTP comes into question only where the host is this one
    /// or the user has allowed it, and only when what is there speaks no TLS.
    func origin(of remote: Remote, _ what: String) async throws(AttemptFailure) -> Origin {
        if let origin = found[remote] { return origin }
        guard let plain = remote.plainOrigin else { return remote.origin }
        do {
            _ = try await status(remote, remote.origin, what)
            found[remote] = remote.origin
            return remote.origin
        } catch {
            guard case .connection = error.error else { throw error }
            let status: UInt
            do { status = try await self.status(remote, plain, what) } catch let second {
                // What speaks TLS badly does not speak HTTP at all: its first failure says more, unless time ran out.
                if case .tooSlow = second.error { throw second }
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
