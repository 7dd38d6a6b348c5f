/// One file in an archive, as the manifest announces it.
public struct ArchiveFile: Codable, Equatable, Sendable {
    /// Which: `session`, `state`, `memory`, `disk`, or `jobs/NUMBER/` and `job.json`, `log` or `log.1`.
    public var name: String
    /// Its length in bytes, holes included.
    public var size: Int64
    /// Most bytes of its pages that are not zero.
    public var most: Int64

    /// A file.
    public init(name: String, size: Int64, most: Int64) {
        self.name = name
        self.size = size
        self.most = most
    }
}
