import Glibc

/// What Linux and EROFS can represent.
enum EntryContent {
    /// Largest major device number (12 bits).
    static let maximumMajor: UInt32 = 0xfff
    /// Largest minor device number (20 bits).
    static let maximumMinor: UInt32 = 0xf_ffff
    /// Longest target of a symbolic link.
    static let maximumLinkLength = 4095

    /// Whether a symbolic link can hold this.
    static func isLinkTarget(_ target: UnsafeRawBufferPointer) -> Bool {
        guard let base = target.baseAddress, !target.isEmpty, target.count <= maximumLinkLength else { return false }
        return memchr(base, 0, target.count) == nil
    }
}
