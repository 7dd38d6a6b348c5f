import ForeignText
import InterceptionProtocol
import NetworkAddress
import NIOSSL
import X509

#if canImport(FoundationEssentials)
    import FoundationEssentials
#else
    import Foundation
#endif

/// Words for why a server's certificate is not valid. What decides is the handshake; this only explains.
enum CertificateFault {
    /// Whether an error of a handshake is about the server's certificate.
    static func isCertificateError(_ error: any Error) -> Bool {
        if let error = error as? NIOSSLExtraError { return error == .failedToValidateHostname }
        if let error = error as? NIOSSLError {
            switch error {
            case .handshakeFailed(let cause): return "\(cause)".contains("CERTIFICATE_VERIFY_FAILED")
            case .unableToValidateCertificate, .noCertificateToValidate: return true
            default: return false
            }
        }
        return false
    }

    /// One line, without the name of the host.
    static func explain(_ certificate: NIOSSLCertificate?, for host: HostName, now: Date = Date()) -> String {
        guard let der = try? certificate?.toDERBytes(), let certificate = try? Certificate(derEncoded: der) else {
            return "it has none that can be read"
        }
        if certificate.notValidAfter < now { return "it is no longer valid" }
        if certificate.notValidBefore > now { return "it is not yet valid" }
        if certificate.issuer == certificate.subject { return "it is self-signed" }
        let names = Self.names(certificate)
        if !names.contains(where: { matches($0, host) }) {
            return "it is for \(names.prefix(5).map { $0.excerpt(64) }.joined(separator: ", "))"
        }
        return "no authority that is trusted here has issued it"
    }

    /// Whether a certificate is for this address (RFC 6125 appendix B.2, RFC 9110 section 4.3.5).
    static func isFor(_ address: IPAddress, _ certificate: NIOSSLCertificate?) -> Bool {
        guard let der = try? certificate?.toDERBytes(), let certificate = try? Certificate(derEncoded: der),
            let names = try? certificate.extensions.subjectAlternativeNames
        else { return false }
        return names.contains { name in
            if case .ipAddress(let bytes) = name { Array(bytes.bytes) == address.bytes } else { false }
        }
    }

    private static func names(_ certificate: Certificate) -> [String] {
        ((try? certificate.extensions.subjectAlternativeNames) ?? nil)?.compactMap { name in
            switch name {
            case .dnsName(let name): name
            case .ipAddress(let bytes): IPAddress(bytes: Array(bytes.bytes)).map { "\($0)" }
            default: nil
            }
        } ?? []
    }

    private static func matches(_ name: String, _ host: HostName) -> Bool {
        let name = name.lowercased()
        guard name.hasPrefix("*."), case .name(let host) = host else { return name == host.description }
        return host.text.drop { $0 != "." } == name.dropFirst()
    }
}
