import DiskImage
import FuzzInput
import LinuxSystem
import OCI

/// Reads what an archive of images holds. What is accepted must be in the archive, and have the digests it is known by.
@c(LLVMFuzzerTestOneInput)
public func fuzzImageArchive(_ bytes: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
    let archive = ArchiveText(UnsafeBufferPointer(start: bytes, count: count)).archive
    let file = MemoryFile.make(archive)
    var limits = ImportLimits()
    limits.images = 3
    limits.layers = 8
    limits.documentBytes = 1 << 20
    guard let listing = try? TarListing(of: file, maximumEntries: 16) else { return 0 }
    let images: [IncomingImage]
    do { images = try IncomingImage.readAll(in: .tar(file, listing), for: .host, limits) } catch {
        precondition(!error.description.contains("\n"), "a message of several lines")
        return 0
    }
    precondition((1...limits.images).contains(images.count), "no image, or more than the limit")
    for image in images {
        let known = image.configurationDigest
        precondition(known == .of(image.configurationBytes, known.algorithm), "a configuration of another digest")
        if let manifest = image.manifest {
            precondition(manifest.digest == .of(manifest.bytes, manifest.digest.algorithm), "a manifest of another one")
        }
        precondition((1...limits.layers).contains(image.layers.count), "no layer, or more than the limit")
        precondition(image.layers.map(\.diffID) == image.configuration.diffIDs, "other layers than the configuration's")
        for layer in image.layers {
            guard case .region(let region) = layer.content else { fatalError("a layer from elsewhere") }
            precondition(region.offset >= 0 && region.length >= 0, "a layer at an impossible place")
            precondition(region.length <= Int64(archive.count) - region.offset, "a layer outside its archive")
            precondition(layer.descriptor.map { $0.size == region.length } ?? true, "a layer of another size")
        }
    }
    return 0
}
