/// A registry, or a mirror of one, as requests reach it.
struct Remote: Hashable, Sendable {
    /// What the user calls it, and what its credentials are kept under: `docker.io`, `localhost:5000`.
    let name: String
    /// Where it is.
    let origin: Origin
    /// Where it may be by plain HTTP, if that is allowed at all.
    let plainOrigin: Origin?
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
        origin = address.origin
        let plain = WebAddress("http://\(registry)/")?.origin
        plainOrigin = isInsecure || origin.host.isLoopbackHost ? plain : nil
        prefix = ""
        policy = TrustPolicy(isInsecure: isInsecure, certificateFiles: certificateFiles)
    }

    /// A mirror by its URL.
    init(mirror: WebAddress, isInsecure: Bool, certificateFiles: [String]) {
        name = mirror.origin.authority
        origin = mirror.origin
        plainOrigin = nil
        prefix = mirror.target.hasSuffix("/") ? String(mirror.target.dropLast()) : mirror.target
        policy = TrustPolicy(isInsecure: isInsecure, certificateFiles: certificateFiles)
    }

    /// The address of a path below `/v2/`.
    func address(_ path: String, at origin: Origin) -> WebAddress {
        WebAddress(origin: origin, target: "\(prefix)/v2/\(path)")
    }
}
