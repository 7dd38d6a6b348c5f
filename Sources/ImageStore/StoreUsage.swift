import LinuxSystem
import OCI

/// What the store takes of the disk, in bytes.
public struct StoreUsage: Sendable {
    /// What each image's layers and disk take that no other image shares.
    public var own: [Digest: Int64] = [:]
    /// What each image's layers and disk take in all.
    public var whole: [Digest: Int64] = [:]
    /// All of the store.
    public var total: Int64 = 0
    /// What would go if all images but those in use were removed.
    public var reclaimable: Int64 = 0
}

extension ImageStore {
    /// Measures the store.
    /// - Parameter used: the images that cannot be removed.
    public func usage(used: Set<Digest> = []) throws(ImageStoreError) -> StoreUsage {
        let lock = try locked(.shared)
        defer { withExtendedLifetime(lock) {} }
        var usage = StoreUsage(total: FileTree.diskUsage(layout.root))
        var parts: [Digest: Set<String>] = [:]
        for digest in try allDigests() {
            let record = try record(digest)
            parts[digest] = Set(record.layers.map(layout.layer) + [layout.disk(record.chain)])
        }
        let sizes = Dictionary(
            uniqueKeysWithValues: Set(parts.values.joined()).map { ($0, FileTree.diskUsage($0)) })
        let users = parts.values.joined().reduce(into: [:]) { $0[$1, default: 0] += 1 }
        for (digest, parts) in parts {
            usage.whole[digest] = parts.reduce(0) { $0 + sizes[$1, default: 0] }
            usage.own[digest] = parts.filter { users[$0] == 1 }.reduce(0) { $0 + sizes[$1, default: 0] }
        }
        let kept = Set(parts.filter { used.contains($0.key) }.values.joined())
        usage.reclaimable = sizes.filter { !kept.contains($0.key) }.values.reduce(0, +)
        return usage
    }
}
