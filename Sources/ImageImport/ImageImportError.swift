import DiskImage
import ImageStore
import LinuxSystem
import OCI

/// Why an archive could not be loaded. The store is as it was before.
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
    /// The image runs on none of the machines of this host.
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
    /// Another part of the same load failed first.
    case cancelled

    /// One line: what was attempted, why it failed, what to do.
    public var description: String {
        switch self {
        case .system(let error): "load: \(error)"
        case .notAnArchive(let reason):
            "load: this is no docker or OCI archive: \(reason); make one with `skopeo copy … docker-archive:FILE:NAME`"
        case .missing(let file): "load: the archive names \(file) but does not hold it; it was cut short or made badly"
        case .damaged(let what, let reason): "load: \(what) is damaged: \(reason); make or copy the archive again"
        case .mismatch(let what, let expected, let found):
            "load: \(what) is not what it should be: expected \(expected), found \(found); make or copy the archive again"
        case .limit(let what, let name, let value): "load: \(what) exceeds the limit \(name) of \(value)"
        case .wrongPlatform(let platform, let expected):
            "load: the image is for \(platform), machines here run \(expected); use an image for \(expected)"
        case .severalImages(let count):
            "load: --name needs an archive of one image, this one holds \(count); leave --name out"
        case .nameWithDigest(let name): "load: the name \(name) has a digest; give a name and a tag only"
        case .document(let error): "load: \(error)"
        case .layer(let diffID, let error): "load: layer \(diffID.short): \(error)"
        case .disk(let error): "load: \(error)"
        case .store(let error): "\(error)"
        case .removedMeanwhile: "load: others keep removing layers that this image needs; try again"
        case .cancelled: "load: stopped"
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
