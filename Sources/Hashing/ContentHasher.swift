import struct Crypto.SHA256
import struct Crypto.SHA512
import OCI

/// Hashes content as it passes, by the algorithm of the digest that is expected of it.
public struct ContentHasher: Sendable {
    // Exactly one of the two is there.
    private var sha256: SHA256?
    private var sha512: SHA512?

    /// A hasher that has seen nothing.
    public init(_ algorithm: Digest.Algorithm) {
        switch algorithm {
        case .sha256: sha256 = SHA256()
        case .sha512: sha512 = SHA512()
        }
    }

    /// Takes the bytes that come next.
    public mutating func update(_ bytes: UnsafeRawBufferPointer) {
        sha256?.update(bufferPointer: bytes)
        sha512?.update(bufferPointer: bytes)
    }

    /// The digest of all that was passed.
    public func finish() -> Digest {
        let digest =
            if let sha512 {
                Digest(.sha512, bytes: Array(sha512.finalize()))
            } else {
                sha256.flatMap { Digest(.sha256, bytes: Array($0.finalize())) }
            }
        guard let digest else { preconditionFailure("one algorithm is there, and its hash has its length") }
        return digest
    }
}

extension Digest {
    /// The digest of these bytes.
    public static func of(_ bytes: [UInt8], _ algorithm: Algorithm = .sha256) -> Digest {
        var hasher = ContentHasher(algorithm)
        bytes.withUnsafeBytes { hasher.update($0) }
        return hasher.finish()
    }

    /// The digest of a stack of layers (OCI image specification, "Layer ChainID"); `nil` when there are none.
    public static func chain(of diffIDs: [Digest]) -> Digest? {
        guard let lowest = diffIDs.first else { return nil }
        return diffIDs.dropFirst().reduce(lowest) { chain, layer in of(Array("\(chain) \(layer)".utf8)) }
    }
}
