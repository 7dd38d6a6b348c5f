import CFileSystem
import Glibc

/// The extended attributes of a file, whatever it is: a descriptor that only names it will do.
public enum ExtendedAttributeList {
    /// The longest value and list of names that Linux has, in bytes.
    private static let longest = 65_536

    /// The names of all attributes; none where the file system has no attributes.
    public static func names(of file: OpenFile) throws(FileCallError) -> [[UInt8]] {
        let list: [UInt8]
        do throws(FileCallError) {
            list = try read("list the attributes") {
                listxattr(file.procPath, $0.assumingMemoryBound(to: CChar.self).baseAddress, $0.count)
            }
        } catch {
            if error.code == EOPNOTSUPP { return [] }
            throw error
        }
        return list.split(separator: 0).map { Array($0) }
    }

    /// The value of an attribute.
    public static func value(of name: [UInt8], _ file: OpenFile) throws(FileCallError) -> [UInt8] {
        try read("read the attribute \(FileCallError.text(name))") {
            getxattr(file.procPath, cText(name), $0.baseAddress, $0.count)
        }
    }

    /// Sets an attribute, whether there is one or not.
    public static func set(_ name: [UInt8], to value: [UInt8], of file: OpenFile) throws(FileCallError) {
        try FileCallError.check("set the attribute \(FileCallError.text(name))") {
            value.withUnsafeBytes { setxattr(file.procPath, cText(name), $0.baseAddress, $0.count, 0) }
        }
    }

    /// Attempts with a little space first, since most values are short.
    private static func read(
        _ attempt: String, _ call: (UnsafeMutableRawBufferPointer) -> Int
    ) throws(FileCallError) -> [UInt8] {
        for size in [512, longest] {
            var buffer = [UInt8](repeating: 0, count: size)
            let count = buffer.withUnsafeMutableBytes { call($0) }
            if count >= 0 { return Array(buffer.prefix(count)) }
            let code = errno
            guard code == ERANGE, size < longest else { throw FileCallError(attempt, code: code) }
        }
        return []
    }
}
