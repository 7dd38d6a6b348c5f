import LinuxSystem
import OCI

/// Why the image store could not do what was asked.
public enum ImageStoreError: Error, Equatable, Sendable, CustomStringConvertible {
    /// The file system refused.
    case system(SystemError)
    /// No image goes by `name`; `similar` are references that might be meant.
    case notFound(_ name: String, similar: [Reference])
    /// Several images' digests begin with `prefix`.
    case ambiguous(_ prefix: String, matches: [Digest])
    /// The image was named by its digest, but has several references, and removal was not forced.
    case severalReferences(_ digest: Digest, references: [Reference])
    /// Sandboxes, by name or id, run from the image.
    case inUse(_ digest: Digest, by: [String])
    /// It cannot be told which images sandboxes run from.
    case unknownUsers(reason: String)
    /// A file of the store does not hold what it must.
    case damaged(_ path: String, reason: String)

    /// One line: what was attempted, why it failed, what to do.
    public var description: String {
        switch self {
        case .system(let error):
            return "image store: \(error)"
        case .notFound(let name, let similar):
            let shown = String(
                name.unicodeScalars.filter { $0.value >= 32 && $0.value < 127 }.prefix(200).map(Character.init))
            let hint =
                similar.isEmpty
                ? "`sandpiper images` lists those there are" : "did you mean \(Self.list(similar.map(\.familiar)))?"
            return "no image \"\(shown)\": \(hint)"
        case .ambiguous(let prefix, let matches):
            return "\"\(prefix)\" begins several digests: \(Self.list(matches.map(\.short))); give more digits"
        case .severalReferences(let digest, let references):
            return "image \(digest.short) has several references: \(Self.list(references.map(\.familiar))); "
                + "remove those one by one, or all with --force"
        case .inUse(let digest, let sandboxes):
            return "image \(digest.short) is in use by \(Self.list(sandboxes)); remove the sandbox first, "
                + "or take the image's names off it with --force"
        case .unknownUsers(let reason):
            return "which images sandboxes use cannot be told, so none is removed: \(reason)"
        case .damaged(let path, let reason):
            return "image store: \(path) is damaged (\(reason)); remove the image and load it again"
        }
    }

    private static func list(_ names: [String]) -> String {
        names.prefix(5).joined(separator: ", ") + (names.count > 5 ? ", …" : "")
    }
}

/// Runs `body`, with its system errors told as the store's.
func reporting<Result>(_ body: () throws(SystemError) -> Result) throws(ImageStoreError) -> Result {
    do { return try body() } catch { throw .system(error) }
}
