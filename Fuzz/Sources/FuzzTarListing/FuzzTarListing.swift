import DiskImage
import FuzzInput

/// Lists an archive and looks for the files that an archive of images has; what is found must lie in the archive.
@c(LLVMFuzzerTestOneInput)
public func fuzzTarListing(_ bytes: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
    let archive = TarBytes.mended(UnsafeBufferPointer(start: bytes, count: count))
    guard let listing = try? TarListing(of: MemoryFile.make(archive), maximumEntries: 256) else { return 0 }
    for name in ["index.json", "manifest.json", "blobs/sha256/0", "a/b", "file", "", "/", ".."] {
        guard let content = listing.content(of: name) else { continue }
        precondition(content.offset >= 0 && content.length >= 0, "a file at an impossible place")
        precondition(content.length <= Int64(archive.count) - content.offset, "a file outside its archive")
    }
    return 0
}
