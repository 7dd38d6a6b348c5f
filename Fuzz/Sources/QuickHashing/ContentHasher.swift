import OCI

/// Stands for the hasher of content: all digests are zeros, so that a changed input is not refused for its digest, and
/// BoringSSL need not be built with sanitizers.
public struct ContentHasher: Sendable {
    private let algorithm: Digest.Algorithm

    /// A hasher of nothing yet.
    public init(_ algorithm: Digest.Algorithm) { self.algorithm = algorithm }

    /// Takes bytes, and forgets them.
    public mutating func update(_ bytes: UnsafeRawBufferPointer) {}

    /// A digest of zeros.
    public func finish() -> Digest {
        guard let digest = Digest(algorithm, bytes: [UInt8](repeating: 0, count: algorithm.hexCount / 2)) else {
            fatalError("a hash of the algorithm's length")
        }
        return digest
    }
}
