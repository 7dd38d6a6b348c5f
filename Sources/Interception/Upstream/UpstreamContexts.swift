import Glibc
import LinuxSystem
import NIOCore
import NIOSSL

/// What TLS towards servers needs: the authorities that are trusted, read once, since files are out of reach later.
final class UpstreamContexts {
    /// How a server's certificate is verified.
    enum Verification: Hashable {
        /// Issued by a trusted authority, for the name.
        case name
        /// Issued by a trusted authority; the caller compares addresses, since the handshake has no name.
        case authority
        /// Not at all, since the user said so.
        case none
    }

    private struct Key: Hashable {
        let verification: Verification
        let protocols: [String]
    }

    /// The bundles of the distributions, of which the first that exists is read.
    private static let bundles = [
        "/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/ca-bundle.pem",
        "/etc/ssl/cert.pem",
    ]

    private let trusted: [NIOSSLCertificate]
    private var contexts: [Key: NIOSSLContext] = [:]

    /// Reads the system's bundle, and the files that the user named.
    init(extraFiles: [String]) throws(UpstreamTrustError) {
        var trusted: [NIOSSLCertificate] = []
        // A host without a bundle trusts nobody: every connection is refused, and says so.
        if let path = Self.bundles.first(where: { FileTree.exists($0) }) { trusted += try Self.certificates(path) }
        for path in extraFiles { trusted += try Self.certificates(path) }
        self.trusted = trusted
    }

    private static func certificates(_ path: String) throws(UpstreamTrustError) -> [NIOSSLCertificate] {
        do {
            let certificates = try NIOSSLCertificate.fromPEMBytes(try FileTree.read(path, limit: 16 << 20))
            guard !certificates.isEmpty else { throw UpstreamTrustError(path: path, why: "it has no certificate") }
            return certificates
        } catch let error as UpstreamTrustError {
            throw error
        } catch let error as SystemError {
            throw UpstreamTrustError(path: path, why: "\(error)")
        } catch {
            throw UpstreamTrustError(path: path, why: "it is no list of certificates (PEM)")
        }
    }

    /// For a connection on which the guest offered these protocols.
    func context(_ verification: Verification, protocols: [String]) throws -> NIOSSLContext {
        let key = Key(verification: verification, protocols: protocols)
        if let context = contexts[key] { return context }
        var configuration = TLSConfiguration.makeClientConfiguration()
        configuration.minimumTLSVersion = .tlsv12
        configuration.shutdownTimeout = .seconds(2)
        configuration.trustRoots = .certificates(trusted)
        configuration.certificateVerification =
            switch verification {
            case .name: .fullVerification
            case .authority: .noHostnameVerification
            case .none: .none
            }
        configuration.applicationProtocols = protocols
        configuration.renegotiationSupport = .none
        let context = try NIOSSLContext(configuration: configuration)
        contexts[key] = context
        return context
    }
}

/// A file of certificates that cannot be used.
struct UpstreamTrustError: Error, CustomStringConvertible {
    let path: String
    let why: String

    var description: String { "the certificates to trust in \(path) cannot be used: \(why)" }
}
