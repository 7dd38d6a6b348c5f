import CAgent
import Glibc

/// The sandbox's root as a place to read and write in without leaving it: no symbolic link of the image leads out, no
/// fifo or device stops the agent, no magic link of /proc is followed.
struct RootDirectory {
    private let root: Descriptor

    /// Takes the directory that is the root.
    init(_ root: Descriptor) { self.root = root }

    /// Opens what a path below the root means.
    func open(_ path: String, _ flags: Int32, staysOnMount: Bool = false) throws(AgentError) -> Descriptor {
        Descriptor(
            try AgentError.check("open \(path)") {
                agent_open_in_root(root.number, path, flags | O_CLOEXEC, 0, staysOnMount ? 1 : 0)
            })
    }

    /// The same root as it is beneath whatever is mounted in it.
    func withoutMounts() throws(AgentError) -> RootDirectory {
        RootDirectory(Descriptor(try AgentError.check("open the root itself") { agent_open_tree(root.number) }))
    }

    /// Reads a regular file.
    /// - Returns: `nil` when there is none on the root's own file system, or one longer than `limit` bytes.
    func contents(of path: String, upTo limit: Int) throws(AgentError) -> [UInt8]? {
        let file: Descriptor
        do throws(AgentError) {
            file = try open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY, staysOnMount: true)
        } catch {
            return nil
        }
        var status = stat()
        guard fstat(file.number, &status) == 0, status.st_mode & S_IFMT == S_IFREG else { return nil }
        return try file.readAll(upTo: limit, from: path)
    }

    /// Whether a path leads to something, its symbolic links followed.
    func exists(_ path: String) -> Bool { (try? open(path, O_PATH)) != nil }

    /// Opens the directory at a path; makes what is missing of it.
    func makeDirectories(
        _ path: String, mode: mode_t = 0o755, staysOnMount: Bool = false
    ) throws(AgentError) -> Descriptor {
        var current = try open("/", O_PATH | O_DIRECTORY)
        var prefix = ""
        for component in path.split(separator: "/") where component != "." {
            prefix += "/\(component)"
            if let next = try? open(prefix, O_PATH | O_DIRECTORY, staysOnMount: staysOnMount) {
                current = next
                continue
            }
            let made = mkdirat(current.number, String(component), mode)
            if made < 0 && errno != EEXIST { throw .system("make the directory \(prefix)", errno) }
            current = try open(prefix, O_PATH | O_DIRECTORY, staysOnMount: staysOnMount)
        }
        return current
    }

    /// Opens the file at a path, to mount on it; makes it, and the directories above it, when it is missing.
    func makeFile(_ path: String, staysOnMount: Bool = false) throws(AgentError) -> Descriptor {
        let components = path.split(separator: "/")
        _ = try makeDirectories(
            "/" + components.dropLast().joined(separator: "/"), staysOnMount: staysOnMount)
        if (try? open(path, O_PATH, staysOnMount: staysOnMount)) == nil {
            let flags = O_WRONLY | O_CREAT | O_NONBLOCK | O_CLOEXEC
            _ = Descriptor(
                try AgentError.check("make the file \(path)") {
                    agent_open_in_root(root.number, path, flags, 0o644, staysOnMount ? 1 : 0)
                })
        }
        let file = try open(path, O_PATH, staysOnMount: staysOnMount)
        var status = stat()
        guard fstat(file.number, &status) == 0, status.st_mode & S_IFMT != S_IFDIR else {
            throw .refused("cannot mount a file at \(path): there is a directory")
        }
        return file
    }

    /// Opens a directory right below the root, where something of the system goes; what the image has there instead of
    /// a directory is replaced.
    func systemDirectory(_ name: String, mode: mode_t = 0o755) throws(AgentError) -> Descriptor {
        let flags = O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC
        var directory = openat(root.number, name, flags)
        if directory < 0 {
            if errno != ENOENT { unlinkat(root.number, name, 0) }
            try AgentError.check("make the directory /\(name)") { mkdirat(root.number, name, mode) }
            // The umask does not count for what the system needs.
            try AgentError.check("set the mode of /\(name)") { fchmodat(root.number, name, mode, 0) }
            directory = try AgentError.check("open /\(name)") { openat(root.number, name, flags) }
        }
        return Descriptor(directory)
    }

    /// Writes a file in a directory, in the place of whatever is there under its name.
    /// - Parameter path: where the directory is, for errors.
    func replaceFile(
        _ name: String, in directory: Descriptor, at path: String = "/etc", with text: String
    ) throws(AgentError) {
        try replaceFile(name, in: directory, at: path, with: Array(text.utf8))
    }

    /// Writes a file in a directory, in the place of whatever is there under its name.
    func replaceFile(
        _ name: String, in directory: Descriptor, at path: String, with bytes: [UInt8]
    ) throws(AgentError) {
        let temporary = ".\(name).sandpiper"
        let whole = "\(path)/\(name)"
        // Whatever has this name in the image has it to be in the way.
        unlinkat(directory.number, temporary, 0)
        let file = Descriptor(
            try AgentError.check("make \(whole)") {
                openat(directory.number, temporary, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0o644)
            })
        try AgentError.check("set the mode of \(whole)") { fchmod(file.number, 0o644) }
        try file.writeAll(bytes, to: whole)
        if renameat(directory.number, temporary, directory.number, name) < 0 {
            if errno == EBUSY {
                unlinkat(directory.number, temporary, 0)
                return try rewriteFile(name, in: directory, whole, with: bytes)
            }
            // A directory gives way when it is empty.
            unlinkat(directory.number, name, AT_REMOVEDIR)
            try AgentError.check("put \(whole) in its place") {
                renameat(directory.number, temporary, directory.number, name)
            }
        }
    }

    /// Writes a file that something is mounted on, which nothing can be put in the place of.
    private func rewriteFile(
        _ name: String, in directory: Descriptor, _ path: String, with bytes: [UInt8]
    ) throws(AgentError) {
        let file = Descriptor(
            try AgentError.check("open \(path)") {
                openat(directory.number, name, O_WRONLY | O_NONBLOCK | O_NOFOLLOW | O_CLOEXEC)
            })
        var status = stat()
        guard fstat(file.number, &status) == 0, status.st_mode & S_IFMT == S_IFREG else {
            throw .refused("\(path) is no regular file")
        }
        try AgentError.check("empty \(path)") { ftruncate(file.number, 0) }
        try file.writeAll(bytes, to: path)
    }
}
