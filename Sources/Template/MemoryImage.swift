import Glibc
import LinuxSystem

/// The file that is the memory of a frozen machine.
public enum MemoryImage {
    private static let page = 4096

    /// The checksum of all pages that are not zero, and their places. Takes a second for some GiB.
    public static func checksum(of file: Descriptor) throws(SystemError) -> Checksum {
        var sum = Checksum()
        var chunk = [UInt64](repeating: 0, count: 1 << 17)
        let end = Int64(try file.status().st_size)
        var offset = nextData(in: file, from: 0) ?? end
        while offset < end {
            let result = chunk.withUnsafeMutableBytes { buffer in
                Result { () throws(SystemError) in try file.read(into: buffer, at: offset) }
            }
            let count = try result.get()
            guard count > 0 else { break }
            for start in stride(from: 0, to: count / 8, by: page / 8) {
                let words = chunk[start..<min(start + page / 8, count / 8)]
                guard words.contains(where: { $0 != 0 }) else { continue }
                sum.add(UInt64(offset) &+ UInt64(start * 8))
                for word in words { sum.add(word) }
            }
            let next = offset + Int64(count)
            // The last page may be a part of one.
            guard next < end else { break }
            offset = max(nextData(in: file, from: next) ?? end, next)
            // Pages are looked at whole, wherever a file system lets its holes begin.
            offset -= offset % Int64(page)
        }
        return sum
    }

    /// Where the next bytes are that are not a hole; `nil` when there are none.
    private static func nextData(in file: Descriptor, from offset: Int64) -> Int64? {
        let found = lseek(file.rawValue, off_t(offset), 3)  // SEEK_DATA
        return found < 0 ? nil : Int64(found)
    }
}
