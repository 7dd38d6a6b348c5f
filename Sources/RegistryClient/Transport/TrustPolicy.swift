import LinuxSystem
import NIOPosix
import NIOSSL
import Synchronization

/// Which certificates count at a registry and wherever it redirects to.
struct TrustPolicy: Hashable, Sendable {
    /// Whether none is checked.
    var isInsecure: Bool
    /// Files of PEM certificates that are trusted beside the system's.
    var certificateFiles: [String]
}

/// Turns trust policies into configurations of TLS, once each: reading certificates takes time.
final class TrustStore: Sendable {
    private struct Key: Hashable {
        let policy: TrustPolicy
        let authority: String
    }

    private let known = Mutex<[Key: TLSConfiguration]>([:])

    /// Where Docker and Podman keep the certificates of single hosts, each in a folder `HOST:PORT` or `HOST`.
    private static let hostFolders = ["/etc/docker/certs.d", "/etc/containers/certs.d"]

    /// The configuration for connections to an origin.
    /// - Throws: ``RegistryError/configuration(path:reason:)`` when a file holds no certificates.
    func configuration(for origin: Origin, _ policy: TrustPolicy) async throws(RegistryError) -> TLSConfiguration {
        let key = Key(policy: policy, authority: "\(origin.host):\(origin.port)")
        if let configuration = known.withLock({ $0[key] }) { return configuration }
        do {
            let configuration = try await NIOThreadPool.singleton.runIfActive {
                try Self.read(policy, origin)
            }
            known.withLock { $0[key] = configuration }
            return configuration
        } catch {
            throw error as? RegistryError ?? .cancelled
        }
    }

    private static func read(_ policy: TrustPolicy, _ origin: Origin) throws(RegistryError) -> TLSConfiguration {
        var configuration = TLSConfiguration.makeClientConfiguration()
        if policy.isInsecure { configuration.certificateVerification = .none }
        var certificates: [NIOSSLCertificate] = []
        for path in policy.certificateFiles + hostFiles(origin) {
            do { certificates += try NIOSSLCertificate.fromPEMFile(path) } catch {
                let isThere = FileTree.exists(path)
                throw .configuration(
                    path: path, reason: isThere ? "it holds no certificate in PEM form" : "there is no such file")
            }
        }
        if !certificates.isEmpty { configuration.additionalTrustRoots = [.certificates(certificates)] }
        return configuration
    }

    private static func hostFiles(_ origin: Origin) -> [String] {
        // The name becomes part of a path.
        guard !origin.host.hasPrefix("."), !origin.host.contains("/") else { return [] }
        let names = ["\(origin.host):\(origin.port)"] + (origin.port == 443 ? [origin.host] : [])
        return hostFolders.flatMap { folder in names.map { "\(folder)/\($0)" } }.flatMap { folder in
            // A folder that cannot be read is as good as none.
            ((try? FileTree.names(in: folder)) ?? []).filter { $0.hasSuffix(".crt") }.map { "\(folder)/\($0)" }
        }
    }
}
