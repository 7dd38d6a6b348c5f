import InterceptionProtocol
import SandboxState

extension Sandbox {
    /// How a sandbox's TLS connections are opened on the host, where every request in them is judged, and which secrets are
    /// put into its requests there.
    ///
    /// ```swift
    /// var network = Sandbox.Network(try NetworkPolicy(allowing: ["api.example.com:443"]))
    /// network.interception = .init(secrets: [try .init("API_KEY", hosts: ["api.example.com"])])
    /// ```
    ///
    /// Hosts are written as `api.example.com`, `*.example.com`, `192.0.2.1` or `[2001:db8::1]`, each perhaps with a port.
    public struct Interception: Sendable {
        /// The secrets.
        public var secrets: [Secret]
        /// Hosts whose connections are not opened.
        public var bypassedHosts: [String] = []
        /// Hosts whose certificates are not verified; no secret goes there.
        public var unverifiedHosts: [String] = []
        /// Files of certificates (PEM) that servers may be verified with beside the system's; absolute paths.
        public var authorities: [String] = []

        /// Interception with these secrets, which may be none.
        public init(secrets: [Secret] = []) { self.secrets = secrets }

        func settings() throws -> InterceptionSettings {
            var settings = InterceptionSettings()
            settings.bypassedHosts = try Secret.hosts(bypassedHosts)
            settings.unverifiedHosts = try Secret.hosts(unverifiedHosts)
            for path in authorities where !path.hasPrefix("/") {
                throw SandpiperError.invalidArgument("the path '\(path)' of an authority is not absolute")
            }
            settings.authorities = authorities
            settings.secrets = secrets.map(\.reference)
            do throws(StateError) { try settings.check() } catch { throw SandpiperError(error) }
            return settings
        }
    }

    /// A value that programs of a sandbox may use and never see: their variable has a placeholder in its place, which is
    /// replaced on the way to the secret's hosts. The value is looked up whenever the sandbox is started, by the process that
    /// starts it.
    public struct Secret: Sendable {
        /// Where a value is.
        public typealias Source = SecretReference.Source
        /// Where in a request a placeholder is replaced.
        public typealias Place = SecretDescription.Place

        let reference: SecretReference

        /// A secret.
        /// - Parameters:
        ///   - name: its name, and that of the variable in the sandbox.
        ///   - source: where its value is; `nil` for this process's environment variable of the same name.
        ///   - hosts: the only ones that get the value.
        ///   - places: where in a request a placeholder is replaced.
        ///   - allowsPlainHTTP: whether it may also be sent over plain HTTP, where everybody on the way can read it.
        /// - Throws: ``SandpiperError/invalidArgument(_:)``.
        public init(
            _ name: String, from source: Source? = nil, hosts: [String], in places: Set<Place> = [.headers],
            allowsPlainHTTP: Bool = false
        ) throws {
            let hosts = try Self.hosts(hosts)
            do throws(StateError) {
                var reference = try SecretReference(name, from: source, hosts: hosts)
                reference.description.places = places
                reference.description.allowsPlainHTTP = allowsPlainHTTP
                self.reference = reference
            } catch { throw SandpiperError(error) }
        }

        static func hosts(_ texts: [String]) throws -> [HostPattern] {
            try texts.map { text in
                guard let host = HostPattern(text) else {
                    throw SandpiperError.invalidArgument("'\(text)' is no host: write api.example.com or *.example.com")
                }
                return host
            }
        }
    }
}
