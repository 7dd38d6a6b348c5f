import Crypto
import InterceptionProtocol
import NIOCore
import NIOSSL
import NetworkAddress

#if canImport(FoundationEssentials)
    import FoundationEssentials
#else
    import Foundation
#endif

/// What TLS towards the guest needs for each server's name: a certificate that the authority issues when the name is first
/// used. A bounded number of them is kept.
final class GuestContexts {
    private struct Key: Hashable {
        let host: HostName
        let protocols: [String]
    }

    private struct Entry {
        let context: NIOSSLContext
        let renewal: Date
        var used: UInt64
    }

    /// Most that are kept.
    static let most = 256
    /// How long a certificate is valid, in seconds; from the half on, new connections get another.
    private static let life: TimeInterval = 7 * 86_400

    private let authority: CertificateAuthority
    private let key = P256.Signing.PrivateKey()
    private let serverKey: NIOSSLPrivateKey
    private var entries: [Key: Entry] = [:]
    private var uses: UInt64 = 0

    init(_ authority: CertificateAuthority) throws {
        self.authority = authority
        serverKey = try NIOSSLPrivateKey(bytes: Array(key.derRepresentation), format: .der)
    }

    /// For a server of this name that speaks these protocols (ALPN, RFC 7301).
    func context(for host: HostName, protocols: [String], now: Date = Date()) throws -> NIOSSLContext {
        let name = Key(host: host, protocols: protocols)
        uses += 1
        if var entry = entries[name], entry.renewal > now {
            entry.used = uses
            entries[name] = entry
            return entry.context
        }
        let certificate = try authority.issue(for: host, key: key.publicKey, life: Self.life, now: now)
        var configuration = TLSConfiguration.makeServerConfiguration(
            certificateChain: [.certificate(try NIOSSLCertificate(bytes: certificate, format: .der))],
            privateKey: .privateKey(serverKey))
        configuration.minimumTLSVersion = .tlsv12
        configuration.shutdownTimeout = .seconds(2)
        configuration.applicationProtocols = protocols
        let context = try NIOSSLContext(configuration: configuration)
        if entries.count >= Self.most, let oldest = entries.min(by: { $0.value.used < $1.value.used }) {
            entries[oldest.key] = nil
        }
        entries[name] = Entry(context: context, renewal: now.addingTimeInterval(Self.life / 2), used: uses)
        return context
    }
}
