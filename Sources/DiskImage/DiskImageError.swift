import ForeignText
import LinuxSystem

/// Why a layer, an image or a disk could not be made.
public enum DiskImageError: Error, Equatable, Sendable {
    /// The archive ends before what it announced.
    case truncated(inside: String)
    /// The bytes before `offset` of the uncompressed archive, or there, are no tar archive.
    case malformed(String, offset: Int64)
    /// An entry of the archive or image cannot be part of a file tree.
    case entry(path: String, reason: String)
    /// A bound of ``ImageLimits`` or of the EROFS format is exceeded.
    case limit(String)
    /// The bound that is called `name`, of ``LayerLimits`` or of ``TarListing``, is exceeded.
    case layerLimit(String, name: String)
    /// Bytes given as a layer index are not one.
    case damagedIndex(String)
    /// A file given as a tar record is not one, or not of the layer it was given with.
    case damagedRecord(String)
    /// A system call failed.
    case system(SystemError)
    /// The program that formats disks failed.
    case formatter(path: String, reason: String)

    /// An error about an entry whose name comes from the archive.
    static func entry(_ path: some Collection<UInt8>, _ reason: String) -> DiskImageError {
        .entry(path: printable(path), reason: reason)
    }

    /// Foreign bytes for a message.
    static func printable(_ bytes: some Collection<UInt8>) -> String {
        // A scalar has at most four bytes.
        String(decoding: bytes.prefix(1000), as: UTF8.self).excerpt()
    }
}

extension DiskImageError: CustomStringConvertible {
    /// One line: what was attempted, on what, why it failed and what to do.
    public var description: String {
        switch self {
        case .truncated(let place):
            "unpack layer: the archive ends inside \(place); it was cut short, fetch it again"
        case .malformed(let reason, let offset):
            "unpack layer: not a valid tar archive at byte \(offset): \(reason); fetch or build the image again"
        case .entry(let path, let reason):
            "unpack layer: entry '\(path)': \(reason); build the image without it"
        case .limit(let what):
            "make disk: \(what); use a smaller image"
        case .layerLimit(let what, let name):
            "unpack layer: \(what); raise the limit with --limit \(name)=N if you trust the image"
        case .damagedIndex(let reason):
            "read layer index: \(reason); remove the image and load it again"
        case .damagedRecord(let reason):
            "read tar record: \(reason); remove the image and load it again"
        case .system(let error):
            "write disk: \(error)"
        case .formatter(let path, let reason):
            "format disk \(path): \(reason)"
        }
    }
}
