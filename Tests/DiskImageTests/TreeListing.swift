import Glibc
import LinuxSystem

@testable import DiskImage

/// All that can be told about a file tree, one line for each name.
struct TreeListing {
    private(set) var lines: [String: String] = [:]
    private var groups: [UInt64: [String]] = [:]

    private var attributes: [String: [String]] = [:]

    init(of root: String) throws {
        attributes = try Self.attributes(root)
        try visit(root, "")
        for (_, names) in groups where names.count > 1 {
            let group = names.sorted().joined(separator: ",")
            for name in names { lines[name, default: ""] += " group=\(group)" }
        }
    }

    /// What differs, in words.
    func differences(from other: TreeListing) -> [String] {
        Set(lines.keys).union(other.lines.keys).sorted().compactMap { name in
            let (mine, theirs) = (lines[name] ?? "nothing", other.lines[name] ?? "nothing")
            return mine == theirs ? nil : "\(name): \(mine) ≠ \(theirs)"
        }
    }

    private mutating func visit(_ root: String, _ name: String) throws {
        let path = root + name
        var status = stat()
        guard lstat(path, &status) == 0 else { throw SystemError("lstat", path) }
        let type = status.st_mode & S_IFMT
        var line = String(status.st_mode, radix: 8) + " \(status.st_uid):\(status.st_gid)"
        line += " \(status.st_mtim.tv_sec).\(status.st_mtim.tv_nsec)"
        if type == S_IFREG { line += " \(status.st_size) \(try Self.digest(path))" }
        if type == S_IFLNK { line += " -> \(try Self.target(path)) \(status.st_size)" }
        if type == S_IFCHR || type == S_IFBLK { line += " dev \(String(status.st_rdev, radix: 16))" }
        if type != S_IFDIR {
            line += " links=\(status.st_nlink)"
            groups[UInt64(status.st_ino), default: []].append(name)
        }
        for attribute in attributes[name] ?? [] { line += " " + attribute }
        lines[name.isEmpty ? "/" : name] = line
        if type == S_IFDIR {
            for child in try FileTree.names(in: path) { try visit(root, name + "/" + child) }
        }
    }

    private static func digest(_ path: String) throws -> String {
        let file = try Descriptor(opening: path)
        var chunk = [UInt64](repeating: 0, count: 1 << 17)
        var low: UInt64 = 0xcbf2_9ce4_8422_2325
        while true {
            let count = try chunk.withUnsafeMutableBytes { try file.read(into: $0) }
            if count == 0 { return String(low, radix: 16) }
            chunk.withUnsafeMutableBytes { bytes in
                for index in count..<min((count + 7) & ~7, bytes.count) { bytes[index] = 0 }
            }
            for index in 0..<(count + 7) / 8 { low = (low ^ chunk[index]) &* 0x9e37_79b9_7f4a_7c15 ^ low >> 31 }
        }
    }

    private static func target(_ path: String) throws -> String {
        var buffer = [CChar](repeating: 0, count: 8192)
        let count = readlink(path, &buffer, buffer.count)
        guard count >= 0 else { throw SystemError("readlink", path) }
        return String(decoding: buffer[..<count].map(UInt8.init(bitPattern:)), as: UTF8.self)
    }

    /// The extended attributes of all files, as `getfattr` shows them, by name below the root.
    private static func attributes(_ root: String) throws -> [String: [String]] {
        let arguments = ["-R", "-P", "-h", "-d", "-m", "-", "-e", "hex", "--absolute-names", root]
        let outcome = try ChildProgram(path: "/usr/bin/getfattr", arguments: arguments).run(outputLimit: 64 << 20)
        guard outcome.status == 0 else { throw SystemError("getfattr", root, number: EIO) }
        var attributes: [String: [String]] = [:]
        var name = ""
        for line in String(decoding: outcome.output, as: UTF8.self).split(separator: "\n") {
            if line.hasPrefix("# file: ") {
                name = String(line.dropFirst("# file: ".count + root.utf8.count))
            } else {
                attributes[name, default: []].append(
                    line.count > 200
                        ? "\(line.prefix(200))… \(line.utf8.reduce(5381) { $0 &* 33 &+ Int($1) })" : String(line))
            }
        }
        return attributes.mapValues { $0.sorted() }
    }
}
