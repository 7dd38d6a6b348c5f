import OCI

extension Digest {
    /// A digest by FNV-1a instead of SHA: no parser can tell them apart, and BoringSSL need not be built with sanitizers.
    static func of(_ bytes: [UInt8], _ algorithm: Algorithm = .sha256) -> Digest {
        var hash: UInt64 = 0xcbf2_9ce4_8422_2325
        func add(_ byte: UInt8) { hash = (hash ^ UInt64(byte)) &* 0x0000_0100_0000_01b3 }
        for byte in bytes { add(byte) }
        let result = (0..<algorithm.hexCount / 2).map { index in
            add(UInt8(index))
            return UInt8(hash >> 56)
        }
        guard let digest = Digest(algorithm, bytes: result) else { fatalError("a hash of the algorithm's length") }
        return digest
    }
}
