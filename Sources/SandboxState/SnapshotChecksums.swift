import Glibc
import LinuxSystem

/// What each file of a snapshot was when the snapshot was made; kept as `checksums.json` in its directory.
struct SnapshotChecksums: Codable, Equatable, Sendable {
    /// What a file was.
    struct Entry: Codable, Equatable, Sendable {
        /// Bytes.
        var size: Int64
        /// Its ``SparseChecksum``.
        var checksum: UInt64
    }

    /// The files, by their paths in the directory.
    var files: [String: Entry]

    static let name = "checksums.json"

    /// Looks at all files of a directory. Blocks, and reads all that is no hole.
    init(of path: String) throws(SystemError) {
        files = [:]
        for name in try Self.names(path, "") { files[name] = try Self.entry("\(path)/\(name)") }
    }

    /// What is not any more as it was, in one line; `nil` when all is. Blocks.
    func damage(in path: String) throws(SystemError) -> String? {
        var left = files
        for name in try Self.names(path, "") {
            guard let expected = left.removeValue(forKey: name) else { return "'\(name)' does not belong to it" }
            let found = try Self.entry("\(path)/\(name)")
            guard found.size == expected.size else {
                return "'\(name)' has \(found.size) bytes instead of \(expected.size)"
            }
            guard found.checksum == expected.checksum else { return "the content of '\(name)' is not what it was" }
        }
        return left.keys.min().map { "'\($0)' is missing" }
    }

    private static func entry(_ path: String) throws(SystemError) -> Entry {
        let file = try Descriptor(opening: path)
        let size = Int64(try file.status().st_size)
        return Entry(size: size, checksum: try SparseChecksum(of: file, size: size).value)
    }

    /// The files below a directory that count.
    private static func names(_ path: String, _ prefix: String) throws(SystemError) -> [String] {
        var found: [String] = []
        for name in try FileTree.names(in: path + "/" + prefix) {
            let place = prefix + name
            var status = stat()
            guard stat("\(path)/\(place)", &status) == 0 else { throw SystemError("look at", "\(path)/\(place)") }
            if status.st_mode & S_IFMT == S_IFDIR {
                found += try names(path, place + "/")
            } else if !isLeftOut(place) {
                found.append(place)
            }
        }
        return found
    }

    /// Whether a file is none of the snapshot's content: what knows its maker, and the programs of frozen engines, which
    /// are good for one boot of the host and are made without when they are not.
    private static func isLeftOut(_ place: String) -> Bool {
        [name, SnapshotDirectory.makerName, SnapshotDirectory.lockName].contains(place)
            || place.hasPrefix(SnapshotDirectory.machineName + "/engine.")
    }
}

extension SnapshotDirectory {
    /// Reads the whole snapshot and compares it with what it was. Blocks.
    /// - Returns: what is damaged, in one line; `nil` when nothing is.
    public func damage() throws(StateError) -> String? {
        let path = path
        guard FileTree.exists(path + "/" + SnapshotChecksums.name) else {
            return "it has no checksums, so nothing can be said of it"
        }
        let checksums: SnapshotChecksums
        do { checksums = try RecordFile.read(SnapshotChecksums.self, from: path + "/" + SnapshotChecksums.name) } catch
        {
            return "'\(SnapshotChecksums.name)' cannot be read"
        }
        return try system { () throws(SystemError) in try checksums.damage(in: path) }
    }
}
