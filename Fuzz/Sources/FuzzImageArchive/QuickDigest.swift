import OCI

extension Digest {
    /// A digest by FNV-1a instead of SHA: no parser can tell them apart, and BoringSSL need not be built with sanitizers.
    static func of(_ bytes: [UInt8], _ algorithm: Algorithm = .sha256) -> Digest {
        var hash: UInt64 = 0xcbf2_9ce4_8422_2325
        func add(_ byte: UInt8) { hash = (hash ^ UInt64(byte)) &* 0x0000_0100_0000_01b3 }
        bytes.forEach(add)
        let digits = (0..<(algorithm == .sha256 ? 32 : 64)).map { index in
            add(UInt8(index))
            return String(hash >> 56 | 0x100, radix: 16).dropFirst()
        }
        do { return try Digest("\(algorithm.rawValue):\(digits.joined())") } catch { fatalError("a digest: \(error)") }
    }
}
