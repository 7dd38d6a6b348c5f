import Glibc
import LinuxSystem
import SandboxState

/// The process that serves one mount: a child of the supervisor that has a directory or a file of the host, and a socket
/// on which the guest's kernel asks for what is in it. It ends when that socket is closed.
struct MountServer: Sendable {
    /// What it serves.
    let mount: SandboxMount
    /// Whether that is a single file.
    let isFile: Bool
    /// Where it says that it is ready, or why not.
    let control: Descriptor
    private let pid: pid_t
    private let pidfd: Descriptor

    /// How long it may take to answer, and to end, in milliseconds.
    private static let answerLimit: Int32 = 10_000
    private static let endLimit: Int32 = 2_000
    private static let program = "sandpiper-mounts"

    /// Starts the server of a mount.
    /// - Parameters:
    ///   - root: the directory or file, open as a place.
    ///   - limit: the most that may lie below it, in bytes.
    ///   - owner: to whom the files of this process's user belong in the sandbox, when not to root.
    ///   - state: what an earlier server has saved, if this one goes on from there.
    /// - Returns: the server, and the socket that carries the guest's requests.
    /// - Throws: `StateError`, `SystemError`.
    static func start(
        _ mount: SandboxMount, root: Descriptor, isFile: Bool, limit: Int64?, owner: (user: UInt32, group: UInt32)?,
        state: Descriptor?, _ installation: Installation
    ) throws -> (MountServer, Descriptor) {
        let executable = try installation.executable(program)
        let (requests, theirs) = try Descriptor.socketPair()
        let (control, theirControl) = try Descriptor.socketPair(keepsMessages: true)
        let null = try Descriptor(opening: "/dev/null", O_RDWR)
        var arguments = [executable]
        if mount.readOnly { arguments.append("--read-only") }
        if let limit { arguments += ["--size-limit", "\(limit)"] }
        if let owner { arguments += ["--guest-owner", "\(owner.user):\(owner.group)"] }
        arguments += ["--name", mount.target]
        let pid = try spawn(
            arguments, [(null, 0), (null, 1), (theirs, 3), (theirControl, 4), (root, 5), (state ?? null, 6)],
            inNewSession: true)
        let server = MountServer(
            mount: mount, isFile: isFile, control: control, pid: pid, pidfd: try Descriptor.process(pid))
        return (server, requests)
    }

    /// Waits until it is ready. Blocks.
    /// - Throws: ``SupervisorError/mount(_:reason:)``.
    func waitUntilReady() throws { _ = try answer("ready", orElse: "its server does not get ready") }

    /// Has it write down what it knows; it goes on serving. Blocks.
    /// - Parameters:
    ///   - sent: how many bytes it was sent; nobody sends more before this returns.
    ///   - file: an empty file.
    /// - Returns: how many bytes it has sent; another server says what comes after these once more.
    /// - Throws: ``SupervisorError/mount(_:reason:)``.
    func save(sent: UInt64, to file: Descriptor) throws -> UInt64 {
        try control.send(Array("save \(sent)".utf8), passing: file)
        guard let count = UInt64(try answer("saved", orElse: "its server does not say what it knows")) else {
            throw SupervisorError.mount(mount, reason: "its server does not say what it has sent")
        }
        return count
    }

    /// Waits for an answer.
    /// - Returns: what follows the word that is expected.
    private func answer(_ expected: String, orElse silence: String) throws -> String {
        var event = pollfd(fd: control.rawValue, events: Int16(POLLIN), revents: 0)
        var count: Int32
        repeat { count = poll(&event, 1, Self.answerLimit) } while count < 0 && errno == EINTR
        guard count > 0 else { throw SupervisorError.mount(mount, reason: silence) }
        var bytes = [UInt8](repeating: 0, count: 4096)
        let length = try bytes.withUnsafeMutableBytes { try control.read(into: $0) }
        let words = String(decoding: bytes[..<length], as: UTF8.self).split(separator: " ", maxSplits: 1)
        let rest = words.count > 1 ? String(words[1]) : ""
        switch words.first {
        case expected[...]: return rest
        case "failed": throw SupervisorError.mount(mount, reason: rest.isEmpty ? "it failed" : rest)
        default: throw SupervisorError.mount(mount, reason: "its server has ended")
        }
    }

    /// Waits for its end, its socket being closed. Blocks.
    func reap() {
        var event = pollfd(fd: pidfd.rawValue, events: Int16(POLLIN), revents: 0)
        if poll(&event, 1, Self.endLimit) <= 0 { kill(pid, SIGKILL) }
        var status: Int32 = 0
        while waitpid(pid, &status, 0) < 0 && errno == EINTR {}
    }
}
