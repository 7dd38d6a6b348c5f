import Compression
import DiskImage
import ForeignText
import ImageStore
import LinuxSystem
import OCI
import RegistryClient

/// Why an image could not be brought in. The store is as it was before.
public enum ImageImportError: Error, Equatable, Sendable, CustomStringConvertible {
    /// The archive could not be read, or the store not written.
    case system(SystemError)
    /// What was read is no archive of images, or of a kind that is not understood.
    case notAnArchive(reason: String)
    /// The archive names `file`, but does not hold it.
    case missing(file: String)
    /// `what` cannot be decoded as what it says it is.
    case damaged(_ what: String, reason: String)
    /// `what` has another digest or size than it should.
    case mismatch(_ what: String, expected: String, found: String)
    /// `what` exceeds the limit of this name.
    case limit(_ what: String, name: String, value: String)
    /// Listing the archive would exceed the limit of this name: `what` says how.
    case archiveLimit(_ what: String, name: String)
    /// Indexes lie in indexes in indexes.
    case nestedTooDeeply
    /// The registry did not give what was asked of it.
    case registry(RegistryError)
    /// The image is for another platform than was asked for.
    case wrongPlatform(Platform, expected: Platform)
    /// One name was given, but the archive holds several images.
    case severalImages(count: Int)
    /// A name with a digest was given.
    case nameWithDigest(Reference)
    /// A document in the archive is wrong.
    case document(OCIError)
    /// The layer with this diff id cannot be unpacked.
    case layer(_ diffID: Digest, DiskImageError)
    /// The disk of an image cannot be made.
    case disk(DiskImageError)
    /// The store refused.
    case store(ImageStoreError)
    /// Other processes remove images as fast as this one loads them.
    case removedMeanwhile
    /// Another part of the same import failed first, or it was stopped.
    case cancelled

    /// Whether what was read is at fault, rather than this host or what was asked for.
    public var blamesSource: Bool {
        switch self {
        case .missing, .damaged, .mismatch: true
        default: false
        }
    }

    /// One line: what was read and why that failed.
    public var description: String {
        switch self {
        case .system(let error): "\(error)"
        case .notAnArchive(let reason):
            "this is no docker or OCI archive: \(reason); make one with `skopeo copy … docker-archive:FILE:NAME`"
        case .missing(let file):
            "the archive names \(file.excerpt()) but does not hold it; it was cut short or made badly"
        case .damaged(let what, let reason): "\(what.excerpt()) is damaged: \(reason)"
        case .mismatch(let what, let expected, let found):
            "\(what.excerpt()) is not what it should be: expected \(expected), found \(found)"
        case .limit(let what, let name, let value):
            "\(what) exceeds the limit \(name) of \(value); raise it with --limit \(name)=N if you trust the image"
        case .archiveLimit(let what, let name):
            "the archive: \(what); raise the limit with --limit \(name)=N if you trust the image"
        case .nestedTooDeeply:
            "indexes lie in indexes more than \(Index.maximumNesting) deep; name an image by its digest"
        case .registry(let error): "\(error)"
        case .wrongPlatform(let platform, let expected):
            "the image is for \("\(platform)".excerpt()), not for \(expected); use an image for \(expected)"
        case .severalImages(let count):
            "--name needs an archive of one image, this one holds \(count); leave --name out"
        case .nameWithDigest(let name): "the name \(name) has a digest; give a name and a tag only"
        case .document(let error): "\(error)"
        case .layer(let diffID, let error): "layer \(diffID.short): \(error)"
        case .disk(let error): "\(error)"
        case .store(let error): "\(error)"
        case .removedMeanwhile: "others keep removing layers that this image needs; try again"
        case .cancelled: "stopped"
        }
    }
}

func reporting<Result>(_ body: () throws(SystemError) -> Result) throws(ImageImportError) -> Result {
    do { return try body() } catch { throw .system(error) }
}

func reporting<Result>(_ body: () throws(OCIError) -> Result) throws(ImageImportError) -> Result {
    do { return try body() } catch {
        if case .noPlatform(let platform, let offered) = error, let first = offered.first, offered.count == 1 {
            throw .wrongPlatform(first, expected: platform)
        }
        throw .document(error)
    }
}

func reporting<Result>(_ body: () throws(ImageStoreError) -> Result) throws(ImageImportError) -> Result {
    do { return try body() } catch { throw .store(error) }
}

func reporting<Result>(_ body: () throws(CompressionError) -> Result) throws(ImageImportError) -> Result {
    do { return try body() } catch {
        switch error {
        case .system(let error): throw .system(error)
        case .damaged(let name, let reason): throw .damaged(name, reason: reason)
        case .windowTooLarge(let name, let windowLog):
            throw .limit("the window of \(name)", name: "zstdWindowLog", value: "\(windowLog)")
        case .stopped: throw .cancelled
        }
    }
}
