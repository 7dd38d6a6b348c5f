import LinuxSystem
import OCI
import Synchronization

/// Tells the threads of one load that the load has failed.
final class Cancellation: Sendable {
    private let flag = Atomic(false)

    func cancel() { flag.store(true, ordering: .relaxed) }

    func check() throws(ImageImportError) {
        if flag.load(ordering: .relaxed) { throw .cancelled }
    }
}

/// A piece of a file.
struct FileRegion: Sendable {
    let file: Descriptor
    let offset: Int64
    let length: Int64
    /// What it is, for messages.
    let name: String
}

/// Bytes read once from front to back, and hashed on the way if wanted.
final class ByteInput {
    /// What is read, for messages.
    let name: String
    /// How many bytes have been read from the file.
    private(set) var count: Int64 = 0

    private let file: Descriptor
    private let region: FileRegion?
    private let cancellation: Cancellation
    private var hasher: ContentHasher?
    // Owned by this object from init to deinit; `unread` always lies within it.
    private let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 256 << 10, alignment: 64)
    private var unread = 0..<0

    /// Reads a region of a file, which must be there in whole.
    init(_ region: FileRegion, hashing algorithm: Digest.Algorithm? = nil, cancellation: Cancellation) {
        name = region.name
        file = region.file
        self.region = region
        self.cancellation = cancellation
        hasher = algorithm.map(ContentHasher.init)
    }

    /// Reads a file or pipe from where it stands to its end.
    init(_ file: Descriptor, name: String, cancellation: Cancellation) {
        self.name = name
        self.file = file
        region = nil
        self.cancellation = cancellation
    }

    deinit { buffer.deallocate() }

    /// Bytes that come next, valid until the next call; empty at the end only.
    func available() throws(ImageImportError) -> UnsafeRawBufferPointer {
        if unread.isEmpty { _ = try fill() }
        return UnsafeRawBufferPointer(rebasing: buffer[unread])
    }

    /// Steps over bytes that ``available()`` gave.
    func consume(_ count: Int) { unread = min(unread.lowerBound + count, unread.upperBound)..<unread.upperBound }

    /// The next `count` bytes without stepping over them, fewer only at the end. For the start of a stream.
    func peek(_ count: Int) throws(ImageImportError) -> [UInt8] {
        while unread.count < count, try fill() {}
        return Array(buffer[unread].prefix(count))
    }

    /// The digest of all bytes read; `nil` when it was not wanted.
    var digest: Digest? { hasher?.finish() }

    /// Reads more behind what is unread; `false` at the end.
    private func fill() throws(ImageImportError) -> Bool {
        try cancellation.check()
        if unread.isEmpty { unread = 0..<0 }
        let space = UnsafeMutableRawBufferPointer(rebasing: buffer[unread.upperBound...])
        if space.isEmpty { return false }
        let read: Int
        if let region {
            let wanted = min(Int64(space.count), region.length - count)
            if wanted == 0 { return false }
            let target = UnsafeMutableRawBufferPointer(rebasing: space[..<Int(wanted)])
            read = try reporting { () throws(SystemError) in try file.read(into: target, at: region.offset + count) }
            guard read > 0 else { throw .damaged(name, reason: "it ends too early") }
        } else {
            read = try reporting { () throws(SystemError) in try file.read(into: space) }
            if read == 0 { return false }
        }
        hasher?.update(UnsafeRawBufferPointer(rebasing: space[..<read]))
        unread = unread.lowerBound..<(unread.upperBound + read)
        count += Int64(read)
        return true
    }
}
