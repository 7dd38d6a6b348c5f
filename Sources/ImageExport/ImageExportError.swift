import Compression
import DiskImage
import ForeignText
import ImageStore
import LinuxSystem
import OCI
import RegistryClient

/// Why images could not be written out. A file or directory that was to be written is as it was before.
public enum ImageExportError: Error, Equatable, Sendable, CustomStringConvertible {
    /// Reading the store or writing the archive failed.
    case system(SystemError)
    /// The store refused.
    case store(ImageStoreError)
    /// A document in the store is wrong.
    case document(OCIError)
    /// What the store keeps of `what` does not give what it must.
    case damaged(_ what: String, reason: String)
    /// Nothing is kept from which the layer with this diff id could be given out.
    case notKept(_ diffID: Digest)
    /// An archive of Docker's kind cannot hold a layer hashed by another algorithm than SHA-256.
    case unsupportedDigest(Digest)
    /// The registry did not take what was sent to it.
    case registry(RegistryError)
    /// There is something at the place where a directory is to be written.
    case exists(path: String)
    /// The place for the archive is a directory.
    case isDirectory(path: String)
    /// A directory was asked for where only a file can be.
    case directoryOfDockerArchive(path: String)

    /// One line: what was attempted, why it failed, what to do.
    public var description: String {
        switch self {
        case .system(let error): "\(error)"
        case .store(let error): "\(error)"
        case .document(let error): "\(error)"
        case .damaged(let what, let reason):
            "\(what) is damaged in the store: \(reason); remove the image and load or pull it again"
        case .notKept(let diffID):
            "the store has unpacked layer \(diffID.short) without keeping it; remove the image and load or pull it again"
        case .unsupportedDigest(let digest):
            "a docker archive cannot hold \(digest.algorithm.rawValue) digests such as \(digest.short); write an OCI archive"
        case .registry(let error): "\(error)"
        case .exists(let path):
            "\(path.excerpt()) is there already and not empty; give another place or remove it"
        case .isDirectory(let path): "\(path.excerpt()) is a directory; give the name of a file"
        case .directoryOfDockerArchive(let path):
            "\(path.excerpt()): only an OCI layout can be a directory, a docker archive is a file"
        }
    }
}

func reporting<Result: ~Copyable>(_ body: () throws(SystemError) -> Result) throws(ImageExportError) -> Result {
    do { return try body() } catch { throw .system(error) }
}

func reporting<Result>(_ body: () throws(ImageStoreError) -> Result) throws(ImageExportError) -> Result {
    do { return try body() } catch { throw .store(error) }
}

func reporting<Result>(_ body: () throws(OCIError) -> Result) throws(ImageExportError) -> Result {
    do { return try body() } catch { throw .document(error) }
}

func reporting<Result: ~Copyable>(
    _ what: String, _ body: () throws(DiskImageError) -> Result
) throws(ImageExportError) -> Result {
    do { return try body() } catch {
        switch error {
        case .system(let error): throw .system(error)
        case .damagedRecord(let reason): throw .damaged(what, reason: reason)
        default: throw .damaged(what, reason: "\(error)")
        }
    }
}

func reporting<Result>(
    _ what: String, _ body: () throws(CompressionError) -> Result
) throws(ImageExportError) -> Result {
    do { return try body() } catch {
        switch error {
        case .system(let error): throw .system(error)
        case .damaged(_, let reason): throw .damaged(what, reason: reason)
        case .windowTooLarge, .stopped: throw .damaged(what, reason: "\(error)")
        }
    }
}
