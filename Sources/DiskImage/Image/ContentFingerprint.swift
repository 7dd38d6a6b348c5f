/// A number for what is in an image, as the UUID of its file system: the same layers have the same, others in all
/// likelihood another. overlayfs uses it to notice an upper side that belongs to another image. It protects against
/// mistakes, not against malice.
enum ContentFingerprint {
    /// 16 bytes, marked as a UUID of version 8 (RFC 9562, section 5.8).
    static func of(_ layers: [LayerIndex]) -> [UInt8] {
        var state = (low: UInt64(0x9e37_79b9_7f4a_7c15), high: UInt64(0xc2b2_ae3d_27d4_eb4f))
        for layer in layers {
            mix(&state, UInt64(layer.encoded.count))
            layer.encoded.withUnsafeBytes { bytes in
                var offset = 0
                while offset + 8 <= bytes.count {
                    mix(&state, bytes.loadUnaligned(fromByteOffset: offset, as: UInt64.self).littleEndian)
                    offset += 8
                }
                var rest: UInt64 = 0
                for byte in bytes[offset...] { rest = rest << 8 | UInt64(byte) }
                mix(&state, rest)
            }
        }
        var bytes: [UInt8] = []
        for word in [state.low ^ state.low >> 29, state.high ^ state.high >> 32] {
            withUnsafeBytes(of: word.bigEndian) { bytes.append(contentsOf: $0) }
        }
        bytes[6] = bytes[6] & 0x0f | 0x80
        bytes[8] = bytes[8] & 0x3f | 0x80
        return bytes
    }

    private static func mix(_ state: inout (low: UInt64, high: UInt64), _ word: UInt64) {
        let product = (state.low ^ word).multipliedFullWidth(by: 0xa076_1d64_78bd_642f)
        state.low = product.low ^ state.high
        state.high = product.high &+ (word ^ state.low) &* 0xe703_7ed1_a0b4_28db
    }
}
