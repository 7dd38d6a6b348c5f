import CLinux
import Glibc

/// Copies a file without filling its holes.
public struct SparseCopy {
    // <unistd.h> has these for GNU sources only, which Swift's view of it is not.
    private static let seekData: Int32 = 3
    private static let seekHole: Int32 = 4

    private let source: Descriptor
    private let target: Descriptor

    /// - Parameters:
    ///   - source: what is copied, which nobody writes meanwhile.
    ///   - target: an empty file, open for writing.
    public init(from source: Descriptor, to target: Descriptor) {
        self.source = source
        self.target = target
    }

    /// Shares the blocks where the file system can (`FICLONE`), else copies the pieces that hold data. Blocks until that
    /// is done.
    public func run() throws(SystemError) {
        if linux_clone_file(source.rawValue, target.rawValue) == 0 { return }
        let length = Int64(try source.status().st_size)
        guard ftruncate(target.rawValue, off_t(length)) == 0 else { throw SystemError("set the length of a copy") }
        for extent in try Self.extents(of: source) { try copy(extent, to: extent.lowerBound) }
    }

    /// The parts of a file that are no holes, in ascending order.
    public static func extents(of file: Descriptor) throws(SystemError) -> [Range<Int64>] {
        var extents: [Range<Int64>] = []
        var position: off_t = 0
        while true {
            let data = lseek(file.rawValue, position, seekData)
            if data < 0, errno == ENXIO { return extents }  // only a hole is left
            guard data >= 0 else { throw SystemError("look for data in a file") }
            position = lseek(file.rawValue, data, seekHole)
            guard position >= 0 else { throw SystemError("look for a hole in a file") }
            extents.append(Int64(data)..<Int64(position))
        }
    }

    /// Copies a piece, whatever holes are in it.
    /// - Parameter place: where it begins in the target.
    public func copy(_ piece: Range<Int64>, to place: Int64) throws(SystemError) {
        var position = piece.lowerBound
        while position < piece.upperBound {
            let count = linux_copy_file_range(
                source.rawValue, position, target.rawValue, place + position - piece.lowerBound,
                Int(min(piece.upperBound - position, 1 << 30)))
            if count > 0 {
                position += Int64(count)
            } else if count == 0 {
                throw SystemError("copy a file that became shorter", number: EIO)
            } else if [EXDEV, EOPNOTSUPP, ENOSYS, EINVAL].contains(errno) {
                return try copyThroughMemory(position..<piece.upperBound, to: place + position - piece.lowerBound)
            } else if errno != EINTR {
                throw SystemError("copy a file")
            }
        }
    }

    /// For kernels and file systems without copy_file_range(2).
    private func copyThroughMemory(_ piece: Range<Int64>, to place: Int64) throws(SystemError) {
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 1 << 20, alignment: 4096)
        defer { buffer.deallocate() }
        var position = piece.lowerBound
        while position < piece.upperBound {
            let part = UnsafeMutableRawBufferPointer(
                rebasing: buffer[..<Int(min(piece.upperBound - position, 1 << 20))])
            let count = try source.read(into: part, at: position)
            guard count > 0 else { throw SystemError("copy a file that became shorter", number: EIO) }
            try target.write(
                UnsafeRawBufferPointer(rebasing: part[..<count]), at: place + position - piece.lowerBound)
            position += Int64(count)
        }
    }
}
