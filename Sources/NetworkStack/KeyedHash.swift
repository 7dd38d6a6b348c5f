/// SipHash-2-4 (https://www.aumasson.jp/siphash/siphash.pdf) of words: numbers that look random to whoever does not know
/// the key, as RFC 6528 wants them for initial sequence numbers.
struct KeyedHash {
    private let key: (UInt64, UInt64)

    init(_ key: (UInt64, UInt64)) { self.key = key }

    func hash(_ words: [UInt64]) -> UInt64 {
        var state = (
            key.0 ^ 0x736f_6d65_7073_6575, key.1 ^ 0x646f_7261_6e64_6f6d, key.0 ^ 0x6c79_6765_6e65_7261,
            key.1 ^ 0x7465_6462_7974_6573
        )
        func round() {
            state.0 &+= state.1
            state.1 = (state.1 << 13 | state.1 >> 51) ^ state.0
            state.0 = state.0 << 32 | state.0 >> 32
            state.2 &+= state.3
            state.3 = (state.3 << 16 | state.3 >> 48) ^ state.2
            state.0 &+= state.3
            state.3 = (state.3 << 21 | state.3 >> 43) ^ state.0
            state.2 &+= state.1
            state.1 = (state.1 << 17 | state.1 >> 47) ^ state.2
            state.2 = state.2 << 32 | state.2 >> 32
        }
        for word in words + [UInt64(words.count &* 8) << 56] {
            state.3 ^= word
            round()
            round()
            state.0 ^= word
        }
        state.2 ^= 0xFF
        for _ in 0..<4 { round() }
        return state.0 ^ state.1 ^ state.2 ^ state.3
    }
}
