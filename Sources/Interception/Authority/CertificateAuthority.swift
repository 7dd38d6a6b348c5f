import Crypto
import Glibc
import InterceptionProtocol
import LinuxSystem
import NetworkAddress
import SwiftASN1
import X509

#if canImport(FoundationEssentials)
    import FoundationEssentials
#else
    import Foundation
#endif

/// The authority of one installation, whose certificate guests trust: `ca.pem`, and its key `ca.key` with mode 0600, which
/// no guest ever sees.
struct CertificateAuthority {
    /// Its certificate (PEM).
    let pem: String
    private let certificate: Certificate
    private let key: Certificate.PrivateKey

    private static let certificateName = "ca.pem"
    private static let keyName = "ca.key"
    /// How long an authority lives, and how long before its end another takes its place, in seconds.
    private static let life: TimeInterval = 10 * 365 * 86_400
    private static let renewal: TimeInterval = 30 * 86_400

    /// The authority in a directory, made there when there is none or when it ends soon.
    static func open(_ directory: String, now: Date = Date()) throws(AuthorityError) -> CertificateAuthority {
        do {
            try FileTree.makeDirectory(directory)
            // Whoever comes second waits for the first to have made it.
            let lock = try FileLock.wait("\(directory)/lock")
            defer { withExtendedLifetime(lock) {} }
            if FileTree.exists("\(directory)/\(certificateName)") {
                let authority = try read(directory)
                if authority.certificate.notValidAfter > now.addingTimeInterval(renewal) { return authority }
            }
            return try make(directory, now: now)
        } catch let error as AuthorityError {
            throw error
        } catch {
            throw AuthorityError.failed(directory, "\(error)")
        }
    }

    private static func read(_ directory: String) throws -> CertificateAuthority {
        let path = "\(directory)/\(keyName)"
        let file = try Descriptor(opening: path, O_RDONLY | O_NOFOLLOW)
        let status = try file.status()
        guard status.st_mode & 0o077 == 0, status.st_uid == geteuid() || status.st_uid == 0 else {
            throw AuthorityError.exposed(path)
        }
        var bytes = try file.readAll(limit: 65_536)
        defer { bytes.withUnsafeMutableBytes { LockedBytes.wipe($0) } }
        let key = try P256.Signing.PrivateKey(pemRepresentation: String(decoding: bytes, as: UTF8.self))
        let pem = String(
            decoding: try FileTree.read("\(directory)/\(certificateName)", limit: 65_536), as: UTF8.self)
        let certificate = try Certificate(pemEncoded: pem)
        guard certificate.publicKey == Certificate.PublicKey(key.publicKey) else {
            throw AuthorityError.mismatch(directory)
        }
        return CertificateAuthority(pem: pem, certificate: certificate, key: Certificate.PrivateKey(key))
    }

    private static func make(_ directory: String, now: Date) throws -> CertificateAuthority {
        let key = P256.Signing.PrivateKey()
        let publicKey = Certificate.PublicKey(key.publicKey)
        // Two authorities with one name would be confused by those who trust both.
        let mark = SHA256.hash(data: key.publicKey.derRepresentation).prefix(4)
            .map { $0 < 16 ? "0" + String($0, radix: 16) : String($0, radix: 16) }.joined()
        let name = try DistinguishedName {
            OrganizationName("Sandpiper")
            CommonName("Sandpiper TLS interception \(mark)")
        }
        let certificate = try Certificate(
            version: .v3, serialNumber: Certificate.SerialNumber(), publicKey: publicKey,
            notValidBefore: now.addingTimeInterval(-86_400), notValidAfter: now.addingTimeInterval(life), issuer: name,
            subject: name, signatureAlgorithm: .ecdsaWithSHA256,
            extensions: try Certificate.Extensions {
                Critical(BasicConstraints.isCertificateAuthority(maxPathLength: 0))
                Critical(KeyUsage(keyCertSign: true, cRLSign: true))
                SubjectKeyIdentifier(hash: publicKey)
            },
            issuerPrivateKey: Certificate.PrivateKey(key))
        let pem = try certificate.serializeAsPEM().pemString + "\n"
        // The certificate last, and an old one away first: where there is a certificate, there is its key.
        if FileTree.exists("\(directory)/\(certificateName)") {
            try FileTree.removeFile("\(directory)/\(certificateName)")
        }
        var keyBytes = Array((key.pemRepresentation + "\n").utf8)
        defer { keyBytes.withUnsafeMutableBytes { LockedBytes.wipe($0) } }
        try FileTree.writeAtomically(keyBytes, to: "\(directory)/\(keyName)", mode: 0o600)
        try FileTree.writeAtomically(Array(pem.utf8), to: "\(directory)/\(certificateName)", mode: 0o644)
        return CertificateAuthority(pem: pem, certificate: certificate, key: Certificate.PrivateKey(key))
    }

    /// A certificate for a server of this name, with this key.
    /// - Parameter life: in seconds from now; it is valid from a day before, since a guest's clock may be behind.
    /// - Returns: its DER form.
    func issue(for host: HostName, key: P256.Signing.PublicKey, life: TimeInterval, now: Date) throws -> [UInt8] {
        let publicKey = Certificate.PublicKey(key)
        let subject = try DistinguishedName {
            OrganizationName("Sandpiper")
            // A common name has at most 64 characters (RFC 5280, appendix A.1); the one that counts is below.
            if host.description.utf8.count <= 64 { CommonName(host.description) }
        }
        let name: GeneralName =
            switch host {
            case .name(let name): .dnsName(name.text)
            case .address(let address): .ipAddress(ASN1OctetString(contentBytes: address.bytes[...]))
            }
        let certificate = try Certificate(
            version: .v3, serialNumber: Certificate.SerialNumber(), publicKey: publicKey,
            notValidBefore: max(now.addingTimeInterval(-86_400), self.certificate.notValidBefore),
            notValidAfter: min(now.addingTimeInterval(life), self.certificate.notValidAfter),
            issuer: self.certificate.subject, subject: subject, signatureAlgorithm: .ecdsaWithSHA256,
            extensions: try Certificate.Extensions {
                Critical(BasicConstraints.notCertificateAuthority)
                Critical(KeyUsage(digitalSignature: true))
                try ExtendedKeyUsage([.serverAuth])
                SubjectAlternativeNames([name])
                SubjectKeyIdentifier(hash: publicKey)
                AuthorityKeyIdentifier(
                    keyIdentifier: SubjectKeyIdentifier(hash: self.certificate.publicKey).keyIdentifier)
            },
            issuerPrivateKey: self.key)
        var serializer = DER.Serializer()
        try serializer.serialize(certificate)
        return serializer.serializedBytes
    }
}

/// Why there is no authority.
enum AuthorityError: Error, CustomStringConvertible {
    /// Its key can be read by others.
    case exposed(String)
    /// Its certificate is not that of its key.
    case mismatch(String)
    /// Something failed.
    case failed(String, String)

    var description: String {
        switch self {
        case .exposed(let path):
            "\(path) is not its owner's alone: make it so (chmod 600), or, when others may have read it, remove the"
                + " directory, and the next start makes another authority"
        case .mismatch(let directory):
            "ca.pem in \(directory) is not the certificate of ca.key: remove both, and the next start makes others"
        case .failed(let directory, let why): "the authority for TLS interception in \(directory): \(why)"
        }
    }
}
