import Compression
import LinuxSystem
import Synchronization

/// Tells the threads of one import that it has failed.
final class Cancellation: Sendable {
    private let flag = Atomic(false)

    func cancel() { flag.store(true, ordering: .relaxed) }

    func check() throws(CompressionError) {
        if flag.load(ordering: .relaxed) { throw .stopped }
    }
}

/// Where the stored bytes of a layer come from.
enum LayerContent: Sendable {
    /// An archive on this host.
    case region(FileRegion)
    /// A registry.
    case download(LayerDownload)

    /// What it is, for messages.
    var name: String {
        switch self {
        case .region(let region): region.name
        case .download(let download): download.name
        }
    }

    /// Reads it from the front, as far as it is there; waits for what is still to come.
    /// - Parameter observe: is shown all bytes in order.
    func input(
        _ cancellation: Cancellation,
        observe: @escaping (UnsafeRawBufferPointer) throws(CompressionError) -> Void = { _ throws(CompressionError) in }
    ) -> ByteInput {
        ByteInput(name: name) { buffer, offset throws(CompressionError) in
            try cancellation.check()
            let count = try read(into: buffer, at: offset)
            try observe(UnsafeRawBufferPointer(rebasing: buffer[..<count]))
            return count
        }
    }

    private func read(into buffer: UnsafeMutableRawBufferPointer, at offset: Int64) throws(CompressionError) -> Int {
        switch self {
        case .region(let region): return try region.read(into: buffer, at: offset)
        case .download(let download):
            let count: Int?
            do { count = try download.file.read(into: buffer, at: offset) } catch { throw .system(error) }
            guard let count else { throw .stopped }
            return count
        }
    }
}

/// A piece of a file.
struct FileRegion: Sendable {
    let file: Descriptor
    let offset: Int64
    let length: Int64
    /// What it is, for messages.
    let name: String

    /// Reads some of it; 0 at its end only.
    func read(into buffer: UnsafeMutableRawBufferPointer, at position: Int64) throws(CompressionError) -> Int {
        let wanted = min(Int64(buffer.count), length - position)
        guard wanted > 0 else { return 0 }
        let target = UnsafeMutableRawBufferPointer(rebasing: buffer[..<Int(wanted)])
        let count: Int
        do { count = try file.read(into: target, at: offset + position) } catch { throw .system(error) }
        guard count > 0 else { throw .damaged(name, reason: "it ends too early") }
        return count
    }
}
