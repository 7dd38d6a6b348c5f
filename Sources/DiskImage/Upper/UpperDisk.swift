import Glibc
import LinuxSystem

/// The writable disk of a sandbox: an ext4 file system in a sparse file.
///
/// It has a journal, so that what a sandbox has synchronised survives a crash of the machine or the host; no reserved
/// blocks, since only the sandbox's root uses it; and nothing but the needed metadata is written, so that an empty disk
/// of 8 GiB takes about 4 MiB.
public enum UpperDisk {
    /// The smallest size that can be formatted: 16 MiB.
    public static let minimumSize: Int64 = 16 << 20
    /// The largest: 16 TiB less one block, where ext4 ends a single file.
    public static let maximumSize: Int64 = 16 << 40 - 4096

    /// Makes a sparse file and formats it with `mke2fs` of e2fsprogs. Blocks until that is done.
    /// - Parameters:
    ///   - path: where; nothing may be there yet. Its mode is 0600.
    ///   - size: length in bytes, from ``minimumSize`` to ``maximumSize``; cut to whole blocks of 4096.
    /// - Throws: ``DiskImageError``; nothing is left at `path` then.
    public static func format(path: String, size: Int64) throws(DiskImageError) {
        guard (minimumSize...maximumSize).contains(size) else {
            throw .formatter(
                path: path,
                reason: "\(size) bytes are not between \(minimumSize) and \(maximumSize); ask for another size")
        }
        try create(path) { file throws(DiskImageError) in
            guard ftruncate(file.rawValue, off_t(size & ~4095)) == 0 else { throw .system(SystemError("make", path)) }
            try runFormatter(path, size)
        }
    }

    /// Copies a disk: shares its blocks where the file system can, else copies what is not a hole. Blocks until that is
    /// done.
    /// - Parameters:
    ///   - source: the disk, which nobody writes meanwhile.
    ///   - target: where; nothing may be there yet. Its mode is 0600.
    /// - Throws: ``DiskImageError``; nothing is left at `target` then.
    public static func clone(from source: String, to target: String) throws(DiskImageError) {
        let original: Descriptor
        do { original = try Descriptor(opening: source) } catch { throw .system(error) }
        try clone(from: original, to: target)
    }

    /// Copies a disk in the same way.
    /// - Parameter original: the disk, open for reading.
    public static func clone(from original: Descriptor, to target: String) throws(DiskImageError) {
        try create(target) { file throws(DiskImageError) in
            do throws(SystemError) { try SparseCopy(from: original, to: file).run() } catch { throw .system(error) }
        }
    }

    /// Makes a new file and fills it; takes it away again when that fails.
    private static func create(
        _ path: String, _ fill: (Descriptor) throws(DiskImageError) -> Void
    ) throws(DiskImageError) {
        let file: Descriptor
        do { file = try Descriptor(opening: path, O_RDWR | O_CREAT | O_EXCL, mode: 0o600) } catch {
            throw .system(error)
        }
        do { try fill(file) } catch {
            unlink(path)
            throw error
        }
    }

    private static func runFormatter(_ path: String, _ size: Int64) throws(DiskImageError) {
        let places = ["/usr/sbin/mke2fs", "/sbin/mke2fs", "/usr/bin/mke2fs", "/usr/local/sbin/mke2fs"]
        guard let program = places.first(where: { access($0, X_OK) == 0 }) else {
            throw .formatter(path: path, reason: "mke2fs is not installed; install the package e2fsprogs")
        }
        let outcome: ChildProgram.Outcome
        do {
            outcome = try ChildProgram(path: program, arguments: arguments(path, size), environment: environment).run()
        } catch { throw .system(error) }
        guard outcome.status == 0 else {
            let output = DiskImageError.printable(outcome.output)
            throw .formatter(path: path, reason: "mke2fs ended with status \(outcome.status): \(output)")
        }
    }

    /// The host's `mke2fs.conf` has no say in how a sandbox's disk looks.
    private static let environment = ["LC_ALL=C", "PATH=/usr/sbin:/usr/bin:/sbin:/bin", "MKE2FS_CONFIG=/dev/null"]

    private static let features = [
        "none", "has_journal", "ext_attr", "dir_index", "filetype", "extent", "64bit", "flex_bg", "sparse_super",
        "large_file", "huge_file", "dir_nlink", "extra_isize", "metadata_csum",
    ]

    private static func arguments(_ path: String, _ size: Int64) -> [String] {
        // A journal of 64 MiB, as by default, would in time take that much of the host for every sandbox.
        let journal = size >= 1 << 30 ? 32 : size >= 256 << 20 ? 16 : 4
        // The file is new, so it reads as zeros and nothing needs to be cleared or discarded.
        let extended = "assume_storage_prezeroed=1,nodiscard,lazy_itable_init=1,lazy_journal_init=1,root_owner=0:0"
        // A relative path that begins with a dash must not be taken for an option.
        return [
            "-q", "-F", "-t", "ext4", "-b", "4096", "-I", "256", "-i", "16384", "-m", "0", "-G", "16",
            "-O", features.joined(separator: ","), "-J", "size=\(journal)", "-E", extended, "--", path,
        ]
    }
}
