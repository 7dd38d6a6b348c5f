import Glibc
import LinuxSystem

/// A checksum of a file's content that costs nothing for its holes: of all pages that are not zero, and their places. It
/// tells damage, and is no proof against an attacker: who can write to a user's files is that user.
struct SparseChecksum {
    private static let page = 4096
    private static let chunk = 1 << 20

    /// The value so far: FNV-1a's function over words of 8 bytes, turned after each, since a product carries upwards only.
    private(set) var value: UInt64 = 0xcbf2_9ce4_8422_2325

    private mutating func add(_ word: UInt64) {
        value = (value ^ word) &* 0x100_0000_01b3
        value ^= value >> 29
    }

    /// The checksum of a file. Blocks; takes a second for some GiB.
    /// - Parameter size: how much of the file is looked at, in bytes.
    init(of file: Descriptor, size: Int64) throws(SystemError) {
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: Self.chunk, alignment: Self.page)
        defer { buffer.deallocate() }
        var position = Self.nextData(in: file, from: 0) ?? size
        while position < size {
            // Pages are looked at whole, wherever a file system lets its holes begin.
            position -= position % Int64(Self.page)
            var count = 0
            while count < buffer.count {
                let more = try file.read(
                    into: UnsafeMutableRawBufferPointer(rebasing: buffer[count...]), at: position + Int64(count))
                guard more > 0 else { break }
                count += more
            }
            guard count > 0 else { break }
            // What is behind the end of the file counts as zeros.
            let end = (count + Self.page - 1) / Self.page * Self.page
            UnsafeMutableRawBufferPointer(rebasing: buffer[count..<end]).initializeMemory(as: UInt8.self, repeating: 0)
            for start in stride(from: 0, to: end, by: Self.page) {
                let words = UnsafeRawBufferPointer(rebasing: buffer[start..<start + Self.page]).bindMemory(
                    to: UInt64.self)
                guard words.contains(where: { $0 != 0 }) else { continue }
                add(UInt64(bitPattern: position + Int64(start)))
                for word in words { add(UInt64(littleEndian: word)) }
            }
            position += Int64(count)
            guard position < size else { break }
            position = max(Self.nextData(in: file, from: position) ?? size, position)
        }
    }

    /// Where the next bytes are that are not a hole; `nil` when there are none.
    private static func nextData(in file: Descriptor, from offset: Int64) -> Int64? {
        let found = lseek(file.rawValue, off_t(offset), 3)  // SEEK_DATA
        return found < 0 ? nil : Int64(found)
    }
}
