import FileServer
import Glibc
import TreeArchive

/// What a process does that serves the sandbox's files to the host.
enum FileService {
    /// Serves the process's own root on its stdin and stdout, until the client goes.
    /// - Returns: the exit status: 0 when the client went, 1 when it made no sense or could not be heard.
    static func serve() -> Int32 {
        // Modes are what the client says.
        umask(0)
        do {
            let root = try OpenFile.open([UInt8(ascii: "/")], O_RDONLY | O_DIRECTORY)
            let users = RootDirectory(try Descriptor.open("/", O_PATH | O_DIRECTORY))
            try FileServer(root: root, input: 0, output: 1) { identity(of: $0, $1, in: users) }.serve()
            return 0
        } catch {
            let line = Array("files: \(error)\n".utf8)
            // Best effort: the client may be gone.
            _ = line.withUnsafeBytes { write(2, $0.baseAddress, $0.count) }
            return 1
        }
    }

    /// Whom names or numbers mean in the image's own user database; `UInt32.max` means "unchanged" to the kernel.
    static func identity(of owner: String, _ group: String, in root: RootDirectory) -> (UInt32, UInt32)? {
        let user = owner.isEmpty ? .max : UserDatabase.number(Array(owner.utf8)[...])
        let number = group.isEmpty ? .max : UserDatabase.number(Array(group.utf8)[...])
        if let user, let number { return (user, number) }
        // A colon would separate a user from a group.
        guard !"\(owner)\(group)".utf8.contains(UInt8(ascii: ":")) else { return nil }
        do {
            let users = UserDatabase(
                passwd: try root.contents(of: "/etc/passwd", upTo: UserDatabase.largestFile) ?? [],
                group: try root.contents(of: "/etc/group", upTo: UserDatabase.largestFile) ?? [])
            let user = try user ?? users.identity(for: owner).user
            return (user, try number ?? users.identity(for: ":\(group)").group)
        } catch {
            return nil
        }
    }
}
