import Glibc
import LinuxSystem

/// Where a snapshot's archive goes: standard output, or a file that gets its name when it is whole. Nobody but its owner
/// may read it, since a machine's memory is in it.
final class ExportedFile: Sendable {
    /// What is written to.
    let file: Descriptor
    private let temporary: String?
    private let path: String

    /// - Parameter path: `-` for standard output.
    init(_ path: String) throws {
        self.path = path
        guard path != "-" else {
            guard isatty(STDOUT_FILENO) == 0 else {
                throw UserError("snapshot export: standard output is a terminal; name a file with --output")
            }
            signal(SIGPIPE, SIG_IGN)
            (file, temporary) = (try Descriptor(duplicating: STDOUT_FILENO), nil)
            return
        }
        var status = stat()
        if stat(path, &status) == 0, status.st_mode & S_IFMT != S_IFREG {
            // A device or a pipe is written to; of a directory the system says what it is.
            signal(SIGPIPE, SIG_IGN)
            (file, temporary) = (try Descriptor(opening: path, O_WRONLY), nil)
            return
        }
        let start = path.lastIndex(of: "/").map(path.index(after:)) ?? path.startIndex
        let name = "\(path[..<start]).sandpiper.\(String(UInt64.random(in: .min ... .max), radix: 36))"
        (file, temporary) = (try Descriptor(opening: name, O_WRONLY | O_CREAT | O_EXCL, mode: 0o600), name)
    }

    /// Gives the file, which is whole, its name.
    func publish() throws(SystemError) {
        guard let temporary else { return }
        try file.synchronize()
        try FileTree.rename(temporary, to: path)
    }

    /// Removes what is half-made; nothing when it has its name.
    func discard() { if let temporary { try? FileTree.removeFile(temporary) } }
}
